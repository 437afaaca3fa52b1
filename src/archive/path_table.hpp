// What is known about the paths of an image while its layers are applied from the top down. Only keyed hashes of
// paths are kept: a million entries fit in 32 megabytes, more in a file, and nobody can make two paths meet on purpose.
#pragma once
#include "util/cold_memory.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::archive {

// The path without empty and `.` components; `..` goes up and stops at the root, as in a chroot.
std::vector<std::string_view> clean_parts(std::string_view path);

class PathTable {
 public:
  enum Flag : std::uint16_t {
    file = 1,        // something that is no directory is there
    directory = 2,   // a directory is there
    implied = 4,     // … only because something is below it: its attributes are not known yet
    used = 8,        // an upper layer spoke of it as a directory without making it
    hidden = 16,     // lower layers: neither it nor what is below
    opaque = 32,     // lower layers: not what is below
    link = 64,       // a hard link that is not made yet
  };
  struct Record {
    std::uint64_t hash = 0;
    std::uint16_t flags = 0;
    std::uint16_t layer = 0;
  };

  // A large table lives in an unnamed file in `directory`.
  explicit PathTable(std::string directory);
  ~PathTable();
  PathTable(const PathTable&) = delete;
  PathTable& operator=(const PathTable&) = delete;
  // Forgets all paths.
  void clear();
  std::uint64_t root() const { return seed_; }
  std::uint64_t child(std::uint64_t parent, std::string_view name) const;
  // Null when nothing is known. Valid until the next add.
  Record* find(std::uint64_t hash);
  // The record, made empty when there is none.
  Record& add(std::uint64_t hash);
  std::size_t size() const { return count_; }

 private:
  static Record& slot(Record* table, std::size_t slots, std::uint64_t hash);
  Record* allocate(std::size_t slots);
  void relax();
  ColdMemory memory_;
  std::uint64_t seed_, key_;
  std::size_t slots_ = 0, count_ = 0;
  Record* table_ = nullptr;
  unsigned uses_ = 0;  // since the pages were let go
};

}  // namespace udocker::archive
