// System calls inside the libc and the loader that name files, for the object to turn into jumps to itself: what a libc
// opens for itself (locales, character sets, time zones, users, the resolver) then comes from the guest too. The front
// end finds them and lays them into the memory that all processes share; the object compares before it writes.
#pragma once
#include "guest/cache.hpp"

namespace udocker::preload {

inline constexpr uint32_t kMaxSites = 96, kSiteTables = 5, kStubs = 128;

// Functions of a libc whose calls inside it come to us.
enum Callee : uint16_t {
  kCancellable,  // glibc from 2.41 on: the function for system calls that can be cancelled
  kOpen,         // musl's open and fopen, and its hidden way of opening a file with the caller's FILE and buffer
  kOpenStream,
  kOpenInPlace,
  kCallees,
};

// What lies at a site: `mov $number,%eax; syscall`, `syscall; cmp $-4096,%rax`, `syscall; mov %rax,%rdi`, or a call of or
// jump to one of the functions above.
enum class SiteKind : uint16_t { number_first, compare_next, move_next, callee };
inline constexpr uint8_t kSiteSize[] = {7, 8, 5, 5};

struct Site {
  uint32_t address;  // of its first byte, in the library
  uint16_t number;   // for SiteKind::callee the Callee, otherwise 0: in eax
  SiteKind kind;
  uint32_t size() const { return kSiteSize[static_cast<uint16_t>(kind)]; }
};

enum class SiteOwner : uint32_t { none, glibc, musl, loader, other };

struct SiteTable {
  SiteOwner owner;
  uint32_t count;
  uint64_t code_address, code_size;  // the executable segment of the library
  uint64_t callees[kCallees];        // their addresses
  Site sites[kMaxSites];
};

struct SharedMemory {
  guest::Shared cache;
  SiteTable tables[kSiteTables];
};

}  // namespace udocker::preload
