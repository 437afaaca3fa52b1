#include "guest/elf_cache.hpp"

namespace udocker::guest {

namespace {

ElfSlot& slot_of(ElfCache& cache, const ContentKey& key) {
  return cache.slots[hash_text({reinterpret_cast<const char*>(key.word), 2 * sizeof key.word[0]}) % kElfSlots];
}

}  // namespace

ContentKey::ContentKey(const sys::Stat& stat) {
  const uint64_t words[] = {stat.dev, stat.ino, static_cast<uint64_t>(stat.size), static_cast<uint64_t>(stat.mtime),
                            static_cast<uint64_t>(stat.mtime_ns), static_cast<uint64_t>(stat.ctime),
                            static_cast<uint64_t>(stat.ctime_ns)};
  __builtin_memcpy(word, words, sizeof word);
}

bool find_elf(ElfCache* cache, const ContentKey& key, ElfFacts& out) {
  if (!cache) return false;
  ElfSlot& slot = slot_of(*cache, key);
  uint32_t before = __atomic_load_n(&slot.sequence, __ATOMIC_ACQUIRE);
  if (before == 0 || (before & 1) || !(slot.key == key)) return false;
  __builtin_memcpy(static_cast<void*>(&out), slot.facts, sizeof slot.facts);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return __atomic_load_n(&slot.sequence, __ATOMIC_RELAXED) == before;
}

void keep_elf(ElfCache* cache, const ContentKey& key, const ElfFacts& facts) {
  if (!cache) return;
  if (facts.has_interpreter && Text(facts.interpreter).size >= kElfInterpreter) return;
  ElfSlot& slot = slot_of(*cache, key);
  uint32_t sequence = __atomic_load_n(&slot.sequence, __ATOMIC_ACQUIRE);
  if ((sequence & 1) || !__atomic_compare_exchange_n(&slot.sequence, &sequence, sequence + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    return;
  slot.key = key;
  __builtin_memcpy(slot.facts, static_cast<const void*>(&facts), sizeof slot.facts);
  __atomic_store_n(&slot.sequence, sequence + 2, __ATOMIC_RELEASE);
}

}  // namespace udocker::guest
