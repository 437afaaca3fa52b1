// Maps ELF programs as the kernel does.
#pragma once
#include "guest/elf.hpp"

namespace udocker::trap {

struct Image {
  guest::ElfFacts facts;
  uint64_t bias = 0;     // added to the file's addresses
  uint64_t end = 0;      // first address behind it, page-aligned
  uint64_t entry() const { return facts.entry + bias; }
  uint64_t headers() const { return facts.headers_address + bias; }
};

enum class Where { program_area, mapping_area };

// Maps the open file. 0 or -errno. `random` moves a relocatable program by that many pages.
long map_image(int fd, Where where, uint64_t random, Image& image);

}  // namespace udocker::trap
