// System calls inside the libc and the loader that name files, for the object to turn into jumps to itself: what a libc
// opens for itself (locales, character sets, time zones, users, the resolver) then comes from the guest too. The front
// end finds them and lays them into the memory that all processes share; the object compares before it writes.
#pragma once
#include "guest/cache.hpp"

namespace udocker::preload {

inline constexpr uint32_t kMaxSites = 64, kSiteTables = 5, kStubs = 128;

struct Site {
  uint32_t address;  // of its first byte, in the library
  uint16_t number;   // 0: in eax
  uint16_t size;     // 7: `mov $number,%eax; syscall`, 8: `syscall; cmp $-4096,%rax`, 5: a call of the function below
};

enum class SiteOwner : uint32_t { none, glibc, musl, loader, other };

struct SiteTable {
  SiteOwner owner;
  uint32_t count;
  uint64_t code_address, code_size;  // the executable segment of the library
  uint64_t cancel_target;            // glibc's function for calls that can be cancelled, from 2.41 on
  Site sites[kMaxSites];
};

struct SharedMemory {
  guest::Shared cache;
  SiteTable tables[kSiteTables];
};

}  // namespace udocker::preload
