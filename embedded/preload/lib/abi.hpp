// The little of the C library's interface that the object itself uses. Every function of the interface is treated as
// one that takes and returns machine words: all arguments of path functions are integers and pointers.
#pragma once
#include <asm/errno.h>
#include <stddef.h>
#include <stdint.h>

#include "embedded/preload/launch.hpp"

#define EXPORT extern "C" __attribute__((visibility("default"), used))

namespace udocker::preload {

using Function = long (*)(long, long, long, long, long, long);

// The function of that name that the program would have got without us; one that fails with ENOSYS when there is none.
Function next_function(const char* name);
// The same, null when there is none. Also finds variables.
void* find_next(const char* name);
int* errno_place();
inline void set_errno(int value) { *errno_place() = value; }
inline int get_errno() { return *errno_place(); }

#define NEXT(name)                                                       \
  ([]() -> ::udocker::preload::Function {                                \
    static ::udocker::preload::Function found;                           \
    ::udocker::preload::Function f = __atomic_load_n(&found, __ATOMIC_RELAXED); \
    if (__builtin_expect(!f, 0)) {                                       \
      f = ::udocker::preload::next_function(name);                       \
      __atomic_store_n(&found, f, __ATOMIC_RELAXED);                     \
    }                                                                    \
    return f;                                                            \
  }())

// Kernel result to C result.
inline long c_result(long result) {
  if (result >= 0 || result < -4095) return result;
  set_errno(static_cast<int>(-result));
  return -1;
}

// The result of a function that returns an int: the upper half of the register may hold anything.
inline long as_int(long result) { return static_cast<int>(result); }

inline long fail(long error) {
  set_errno(static_cast<int>(error < 0 ? -error : error));
  return -1;
}

inline bool same(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}
template <class P>
inline P pointer(long value) {
  return reinterpret_cast<P>(value);
}
template <class P>
inline long word(P* p) {
  return reinterpret_cast<long>(p);
}

#if defined(__aarch64__)
inline constexpr int kDirectory = 040000, kNoFollowOpen = 0100000;
#else
inline constexpr int kDirectory = 0200000, kNoFollowOpen = 0400000;
#endif
inline constexpr int kReadOnly = 0, kAccessBits = 3, kCreate = 0100, kExclusive = 0200, kTruncate = 01000,
                     kCloseOnExec = 02000000, kPathOnly = 010000000, kTemporary = 020000000 | kDirectory;

void* allocate(size_t size);  // the program's malloc
void release(void* memory);   // the program's free

}  // namespace udocker::preload
