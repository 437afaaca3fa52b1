// Raw system calls of the process that runs this code; results are the kernel's (negative errno).
// They are inlined, so in the trap runtime the calling instruction lies in the runtime's own address range.
#pragma once
#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

namespace udocker::guest::sys {

#if defined(__x86_64__)
inline long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long x8 __asm__("x8") = nr;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "unknown architecture"
#endif

template <class P>
inline long address(P* pointer) {
  return reinterpret_cast<long>(pointer);
}

inline constexpr int kAtCwd = -100;
inline constexpr int kNoFollow = 0x100, kRemoveDir = 0x200, kFollow = 0x400, kEmptyPath = 0x1000;

// struct stat of the native 64-bit interface, reduced names.
#if defined(__x86_64__)
struct Stat {
  uint64_t dev, ino, nlink;
  uint32_t mode, uid, gid, pad0;
  uint64_t rdev;
  int64_t size, blksize, blocks, atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns, unused[3];
};
#else
struct Stat {
  uint64_t dev, ino;
  uint32_t mode, nlink, uid, gid;
  uint64_t rdev, pad0;
  int64_t size;
  int32_t blksize, pad1;
  int64_t blocks, atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
  uint32_t unused[2];
};
#endif

inline constexpr uint32_t kTypeMask = 0170000, kTypeDir = 0040000, kTypeLink = 0120000, kTypeRegular = 0100000,
                          kTypeChar = 0020000, kTypeBlock = 0060000, kTypeFifo = 0010000, kTypeSocket = 0140000;

inline long fstatat(int dir, const char* path, Stat* out, int flags) {
  return call(__NR_newfstatat, dir, address(path), address(out), flags);
}
inline long lstat(const char* path, Stat* out) { return fstatat(kAtCwd, path, out, kNoFollow); }
inline long readlinkat(int dir, const char* path, char* out, size_t size) {
  return call(__NR_readlinkat, dir, address(path), address(out), static_cast<long>(size));
}
inline long readlink(const char* path, char* out, size_t size) { return readlinkat(kAtCwd, path, out, size); }
inline long open(const char* path, int flags, int mode = 0) {
  return call(__NR_openat, kAtCwd, address(path), flags, mode);
}
inline long close(int fd) { return call(__NR_close, fd); }

}  // namespace udocker::guest::sys
