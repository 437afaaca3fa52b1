// What `udocker bundle` appended to this executable. A mark in the program's own data says where it is, so that the
// plain program looks at two words in memory and opens nothing.
#pragma once
#include "util/fd.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace udocker::host {

// A range of bytes of the executable file.
struct Appended {
  std::uint64_t offset = 0, size = 0;
};

// Nothing in the plain program.
std::optional<Appended> appended();

// The bytes of this program with the mark set to `where`. Throws IntegrityError when the mark is not found exactly once
// (a packed executable).
std::string marked_program(Appended where);

// This executable, opened for reading, also where its name is gone.
UniqueFd open_self();

}  // namespace udocker::host
