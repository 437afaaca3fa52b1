// Where machine code of x86_64 makes system calls in a way that can be replaced by a jump: `mov $nr,%eax; syscall`
// (7 bytes), and where the number was loaded shortly before `syscall; cmp $imm32,%rax` (8 bytes) or, as musl has it,
// `syscall; mov %rax,%rdi` before a call (5 bytes).
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace udocker::guest {

struct CallSite {
  uint64_t at;       // offset in the code
  uint32_t number;   // for 7 bytes; else 0, it is in eax
  uint32_t compare;  // for 8 bytes what rax is compared with, else 0
  uint8_t size;
  bool dropped;
};

// Finds the sites of numbers that `wanted` accepts, in order; at most `capacity`, with musl's form or without. A site is dropped when any byte
// sequence of the code could be a jump into its middle. The number of entries, dropped ones included.
uint32_t find_call_sites(const unsigned char* code, uint64_t size, bool (*wanted)(uint32_t number), CallSite* found,
                         uint32_t capacity, bool musl = false);

// Where glibc from 2.41 on passes calls that can be cancelled to one function of its own: `push $nr; …; call F`. `at` is
// the call's place, `target` F's (offset in the code). Calls before the first of a number above 127 are not found.
uint32_t find_cancel_calls(const unsigned char* code, uint64_t size, bool (*wanted)(uint32_t number), CallSite* found,
                           uint32_t capacity, uint64_t* target);

}  // namespace udocker::guest
