// Where a file with several names was seen first, for a million of them in little memory.
#pragma once
#include "util/cold_memory.hpp"

#include <cstdint>
#include <optional>
#include <string>

#include <sys/stat.h>

namespace udocker::ops {

class KnownLinks {
 public:
  KnownLinks() = default;
  ~KnownLinks();
  KnownLinks(const KnownLinks&) = delete;
  KnownLinks& operator=(const KnownLinks&) = delete;
  // Nothing when the file is not known. Throws SystemError when memory on disk cannot be read.
  std::optional<std::string> find(const struct stat& file);
  // Replaces.
  void add(const struct stat& file, const std::string& path);

 private:
  struct Slot {
    std::uint64_t dev, ino, at;  // `at` in the journal
    std::uint32_t size, used;
  };
  static Slot& slot(Slot* table, std::size_t slots, std::uint64_t dev, std::uint64_t ino);
  Slot* allocate(std::size_t slots);
  void relax();
  ColdMemory memory_;
  Journal paths_;
  Slot* table_ = nullptr;
  std::size_t slots_ = 0, count_ = 0;
  unsigned uses_ = 0;
};

}  // namespace udocker::ops
