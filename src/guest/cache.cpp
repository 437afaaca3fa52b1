#include "guest/cache.hpp"

namespace udocker::guest {

namespace {

constexpr size_t kWays = 4;

uint32_t load(const uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }

uint64_t key_hash(Text root, Text path, Kept kind) { return hash_text(path, hash_text(root) ^ static_cast<uint64_t>(kind)); }

uint64_t name_hash(Text host) {
  size_t start = host.size;
  while (start > 0 && host[start - 1] != '/') --start;
  return hash_text(host.from(start));
}

bool bloom_has(Shared* shared, uint64_t hash) {
  uint64_t word = __atomic_load_n(&shared->bloom[(hash >> 8) % kBloomWords], __ATOMIC_RELAXED);
  return (word >> (hash & 63)) & 1;
}

bool equal(const char* text, Text other) { return __builtin_memcmp(text, other.data, other.size) == 0; }

}  // namespace

void bump(Shared* shared) {
  if (!shared) return;
  __atomic_add_fetch(&shared->generation, 1, __ATOMIC_ACQ_REL);
}

void depend_on(Shared* shared, Text host) {
  if (!shared) return;
  uint64_t hash = name_hash(host);
  if (!bloom_has(shared, hash))
    __atomic_fetch_or(&shared->bloom[(hash >> 8) % kBloomWords], uint64_t{1} << (hash & 63), __ATOMIC_RELAXED);
}

void note_change(Shared* shared, Text host) {
  if (!shared || !bloom_has(shared, name_hash(host))) return;
  __atomic_store_n(&shared->changed, load(shared->now), __ATOMIC_RELAXED);
  bump(shared);
}

bool find_directory(Shared* shared, Text root, Text path, GuestPath& out, Kept kind) {
  if (!shared || path.size + root.size >= kCacheText) return false;
  uint64_t hash = key_hash(root, path, kind);
  uint32_t generation = load(shared->generation), now = load(shared->now);
  for (size_t way = 0; way < kWays; ++way) {
    CacheSlot& slot = shared->slots[(hash + way) % kCacheSlots];
    uint32_t before = load(slot.sequence);
    if ((before & 1) || slot.hash != hash || slot.generation != generation) continue;
    if (now && now - slot.stamp > kCacheLife) continue;
    size_t key = slot.key_size ^ static_cast<size_t>(kind), value = slot.value_size;
    if (key != root.size + path.size || key + value > kCacheText) continue;
    if (!equal(slot.text, root) || !equal(slot.text + root.size, path)) continue;
    out.assign({slot.text + key, value});
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&slot.sequence, __ATOMIC_RELAXED) == before) return true;
  }
  return false;
}

void keep_directory(Shared* shared, Text root, Text path, Text canonical, uint32_t generation, Kept kind) {
  if (!shared || root.size + path.size + canonical.size > kCacheText) return;
  if (load(shared->generation) != generation) return;
  uint32_t now = load(shared->now), changed = load(shared->changed);
  if (now && changed && now - changed < kCacheRest) return;
  uint64_t hash = key_hash(root, path, kind);
  CacheSlot* victim = nullptr;
  for (size_t way = 0; way < kWays && !victim; ++way) {
    CacheSlot& slot = shared->slots[(hash + way) % kCacheSlots];
    bool stale = slot.generation != generation || (shared->now && shared->now - slot.stamp > kCacheLife);
    if (slot.hash == hash || stale || slot.key_size == 0) victim = &slot;
  }
  if (!victim) victim = &shared->slots[(hash + (hash >> 32) % kWays) % kCacheSlots];
  uint32_t sequence = load(victim->sequence);
  if ((sequence & 1) ||
      !__atomic_compare_exchange_n(&victim->sequence, &sequence, sequence + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    return;
  victim->hash = hash;
  victim->generation = generation;
  victim->stamp = shared->now;
  victim->key_size = static_cast<uint16_t>((root.size + path.size) | static_cast<size_t>(kind));
  victim->value_size = static_cast<uint16_t>(canonical.size);
  __builtin_memcpy(victim->text, root.data, root.size);
  __builtin_memcpy(victim->text + root.size, path.data, path.size);
  __builtin_memcpy(victim->text + root.size + path.size, canonical.data, canonical.size);
  __atomic_store_n(&victim->sequence, sequence + 2, __ATOMIC_RELEASE);
}

}  // namespace udocker::guest
