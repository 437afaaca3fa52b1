// The few ELF facts needed to start a program without the kernel's help.
#pragma once
#include "guest/path.hpp"

namespace udocker::guest {

inline constexpr size_t kMaxSegments = 12;

struct ElfSegment {
  uint64_t address, file_offset, file_size, memory_size;
  uint32_t flags;  // PF_X 1, PF_W 2, PF_R 4
};

struct ElfFacts {
  bool is_64 = false, relocatable = false;  // relocatable: ET_DYN
  bool has_interpreter = false, executable_stack = false;
  bool is_go = false;  // it has a note of Go's linker: it makes system calls of its own, also when it has an interpreter
  uint16_t machine = 0;
  uint64_t entry = 0, headers_address = 0;  // headers_address: where the program headers are mapped, before relocation
  uint16_t header_count = 0, header_size = 0;
  uint64_t low = 0, high = 0, alignment = 4096;  // extent of all PT_LOAD
  uint32_t segment_count = 0;
  ElfSegment segments[kMaxSegments];
  char interpreter[kPathMax / 4];  // PT_INTERP's text
};

// Machine numbers.
inline constexpr uint16_t kMachineX86 = 3, kMachineArm = 40, kMachineX86_64 = 62, kMachineAarch64 = 183;

// Reads the headers of an open file. 0, -ENOEXEC (not ELF, or broken), -errno.
long read_elf(int fd, ElfFacts& out);
// The same with the file's first bytes already read: most headers lie in them.
inline constexpr size_t kElfHead = 1024;
long parse_elf(int fd, const char* head, size_t size, ElfFacts& out);

}  // namespace udocker::guest
