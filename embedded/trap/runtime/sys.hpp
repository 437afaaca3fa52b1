// Calls of the runtime: one that may block for the guest, and guest memory that may fault.
#pragma once
#include "guest/sys.hpp"

#include <errno.h>

namespace udocker::trap {

using guest::sys::address;
using guest::sys::call;

inline bool failed(long result) { return static_cast<unsigned long>(result) > -4096UL; }

extern "C" {
// The call a guest asked for: one instruction, so that signal handlers know whether it has happened.
long trap_final_call(long nr, long a, long b, long c, long d, long e, long f);
extern const char trap_final_instruction[], trap_final_end[];

// Guest memory. -EFAULT when any byte cannot be touched; nothing is promised about the bytes then.
long trap_copy_in(void* to, const void* guest, size_t size);
long trap_copy_out(void* guest, const void* from, size_t size);
// Length without NUL; -EFAULT; -ENAMETOOLONG when no NUL is among the first `size` bytes.
long trap_copy_text(char* to, const char* guest, size_t size);
// The processor's counter of time; -EFAULT when the guest must not read it.
long trap_ticks();
extern const char trap_memory_begin[], trap_memory_end[], trap_memory_fault[];

void trap_restorer();
}

template <class T>
inline long read_guest(T& out, uint64_t at) {
  return trap_copy_in(&out, reinterpret_cast<const void*>(at), sizeof(T));
}
template <class T>
inline long write_guest(uint64_t at, const T& value) {
  return trap_copy_out(reinterpret_cast<void*>(at), &value, sizeof(T));
}

}  // namespace udocker::trap
