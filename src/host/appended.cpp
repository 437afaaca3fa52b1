#include "host/appended.hpp"

#include "host/self.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace udocker::host {

namespace {

struct Mark {
  char magic[16];
  std::uint64_t offset, size;
};

// Volatile, for its bytes in the file are changed behind the compiler's back.
const volatile Mark kMark = {{'u', 'd', 'o', 'c', 'k', 'e', 'r', '-', 'b', 'u', 'n', 'd', 'l', 'e', '\x01', '\xd7'}, 0, 0};

std::string magic() {
  std::string text;
  for (const volatile char& c : kMark.magic) text += c;
  return text;
}

}  // namespace

std::optional<Appended> appended() {
  if (kMark.size == 0) return std::nullopt;
  return Appended{kMark.offset, kMark.size};
}

UniqueFd open_self() {
  UniqueFd fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (fd) return fd;
  return open_fd(self_path(), O_RDONLY);
}

std::string marked_program(Appended where) {
  UniqueFd self = open_self();
  off_t size = ::lseek(self.get(), 0, SEEK_END);
  if (size < 0 || ::lseek(self.get(), 0, SEEK_SET) < 0) throw_errno("read", "this program's own file");
  std::string program(static_cast<std::size_t>(size), '\0');
  program.resize(read_full(self.get(), program.data(), program.size(), "this program's own file"));
  std::string wanted = magic();
  std::size_t at = program.find(wanted);
  if (at == program.npos || program.find(wanted, at + 1) != program.npos || at + sizeof(Mark) > program.size())
    throw IntegrityError("this program's own file is not as it was built: its mark for bundles is not there once");
  std::memcpy(program.data() + at + offsetof(Mark, offset), &where.offset, sizeof where.offset);
  std::memcpy(program.data() + at + offsetof(Mark, size), &where.size, sizeof where.size);
  return program;
}

}  // namespace udocker::host
