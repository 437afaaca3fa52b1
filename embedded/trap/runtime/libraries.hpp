// T1: patched copies of libraries with system call sites, put in the place of the originals when they are mapped.
#pragma once
#include "embedded/trap/runtime/slots.hpp"
#include "guest/elf_cache.hpp"

namespace udocker::trap {

// A patched copy of a file; fd -1: none (not T1, nothing to patch, no cache).
struct Copy {
  int fd = -1;
  uint32_t region = 0;
};

// Finds the copy of the file that `key` tells, or makes it from `fd` (-1: from `path`). Its stubs are in place.
// The caller closes copy.fd.
Copy find_copy(const guest::ContentKey& key, int fd, const char* path);
// Tells the stubs where the copy's code is mapped. False: it is mapped elsewhere too, the original must be used.
bool adopt_copy(const Copy& copy, uint64_t bias);

// The guest's mmap of executable pages of a file.
long on_mmap(const Trap& trap);

}  // namespace udocker::trap
