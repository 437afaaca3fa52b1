// What processes of one container share: a generation counter, a Bloom filter of names that cached answers depend
// on, and a cache from guest directory (as written) to its canonical guest directory. One flat block, usable in
// private memory or in a shared mapping; lock-free, a torn entry is a miss.
#pragma once
#include "guest/elf_cache.hpp"

namespace udocker::guest {

inline constexpr size_t kCacheSlots = 1024;
inline constexpr size_t kCacheText = 232;  // key and value together
inline constexpr size_t kBloomWords = 1024;

struct CacheSlot {
  uint32_t sequence;  // odd while being written
  uint32_t generation;
  uint64_t hash;
  uint32_t stamp;     // Shared::now when it was verified
  uint16_t key_size, value_size;  // key_size with the bit of Kept
  char text[kCacheText];
};

// A port of the guest that was given another one of the host's while running (kAnyPort).
struct TakenPort {
  uint16_t guest, host;  // host 0: the place is free
};
inline constexpr size_t kTakenPorts = 64;

struct Shared {
  TakenPort ports[kTakenPorts];  // round robin
  uint32_t next_port;
  uint32_t generation;  // bump it and every cached answer is void
  uint32_t now;         // clock (milliseconds) kept by the engine; answers older than kCacheLife are void; 0: no clock
  uint32_t changed;     // when a change was last noted that answers depend on: for kCacheRest after it none is kept
  uint64_t bloom[kBloomWords];
  CacheSlot slots[kCacheSlots];
  ElfCache programs;
};

// A change is noted before the call that makes it runs, and the host's own changes are not noted at all: what was found
// meanwhile is forgotten soon.
inline constexpr uint32_t kCacheLife = 2000, kCacheRest = 50;

// All functions accept a null `shared` (no cache).
void bump(Shared* shared);
// Remembers that a cached answer depends on this host path (a link walked through, or a directory).
void depend_on(Shared* shared, Text host);
// To be called before a host path is renamed, replaced or unlinked: bumps when an answer may depend on it.
void note_change(Shared* shared, Text host);

// What an entry says of the path in it: that it is a directory, or that it ends in a link (to anything that exists).
enum class Kept : uint16_t { directory = 0, link = 0x8000 };

// `key` is root + "\0" + path as written. True: `out` is the canonical guest path of what it leads to.
bool find_directory(Shared* shared, Text root, Text path, GuestPath& out, Kept kind = Kept::directory);
// `generation` is the counter read before the walk: an answer found while things changed is not kept.
void keep_directory(Shared* shared, Text root, Text path, Text canonical, uint32_t generation, Kept kind = Kept::directory);

}  // namespace udocker::guest
