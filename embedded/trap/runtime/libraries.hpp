// T1: patched copies of libraries with system call sites, put in the place of the originals.
#pragma once
#include "guest/elf.hpp"

namespace udocker::trap {

// The patched copy of this open file, ready to be mapped; -1: none (not T1, nothing to patch, no cache).
int patched_copy(int fd, guest::ElfFacts& scratch);
// To be called when the copy found last is mapped with this bias.
void adopt_copy(uint64_t bias);

}  // namespace udocker::trap
