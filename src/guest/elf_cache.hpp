// Headers of programs already looked at, shared by the processes of a container: execve then reads no file.
#pragma once
#include "guest/elf.hpp"
#include "guest/sys.hpp"

namespace udocker::guest {

inline constexpr size_t kElfSlots = 128;
inline constexpr size_t kElfInterpreter = 96;  // longer names are not kept

// What tells a file and its content from all others.
struct ContentKey {
  uint64_t word[7] = {};
  ContentKey() = default;
  explicit ContentKey(const sys::Stat& stat);
  friend bool operator==(const ContentKey& a, const ContentKey& b) { return __builtin_memcmp(a.word, b.word, sizeof a.word) == 0; }
};

struct ElfSlot {
  uint32_t sequence;  // odd while being written
  ContentKey key;
  char facts[offsetof(ElfFacts, interpreter) + kElfInterpreter];
};

struct ElfCache {
  ElfSlot slots[kElfSlots];
};

// Both accept a null cache. What is kept passed the checks of execve: a regular file that may be executed.
bool find_elf(ElfCache* cache, const ContentKey& key, ElfFacts& out);
void keep_elf(ElfCache* cache, const ContentKey& key, const ElfFacts& facts);

}  // namespace udocker::guest
