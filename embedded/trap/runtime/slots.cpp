#include "embedded/trap/runtime/slots.hpp"

#include "embedded/trap/runtime/process.hpp"

#include <linux/mman.h>

#include <new>

namespace udocker::trap {
namespace {

constexpr size_t kPerChunk = 32, kChunks = 2048;
constexpr uint64_t kNear = 256 * 1024;  // frames of one stack that belong together

// The first chunk lies in the runtime's own zeros, so that small programs map nothing.
alignas(4096) char first_chunk[sizeof(Slot) * kPerChunk];
Slot* chunks[kChunks];  // the others; index 0 is unused
// The thread whose slot is the very first one, so that a process with one thread touches few pages.
[[gnu::section(".bss.1hot")]] uint64_t home;

Slot* find_chunk(size_t index) {
  return index == 0 ? reinterpret_cast<Slot*>(first_chunk) : __atomic_load_n(&chunks[index], __ATOMIC_ACQUIRE);
}

Slot* chunk_at(size_t index) {
  Slot* chunk = find_chunk(index);
  if (chunk) return chunk;
  size_t bytes = sizeof(Slot) * kPerChunk;
  long made = call(__NR_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (failed(made)) return nullptr;
  Slot* expected = nullptr;
  Slot* fresh = reinterpret_cast<Slot*>(made);
  if (__atomic_compare_exchange_n(&chunks[index], &expected, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return fresh;
  call(__NR_munmap, made, static_cast<long>(bytes));
  return expected;
}

bool take(Slot& slot) {
  int32_t expected = 0;
  // Looking first would fault twice in a fresh page.
  return __atomic_compare_exchange_n(&slot.busy, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

// A trap left by siglongjmp: the same thread is now above its frames, on the same stack.
bool abandoned(const Slot& slot, uint64_t mark, uint64_t sp) {
  return slot.mark == mark && mark != 0 && sp > slot.sp && sp - slot.sp < kNear;
}

Slot* search(uint64_t mark, uint64_t sp) {
  if (home == 0) home = mark;
  size_t start = mark == 0 || mark == home ? 0 : 1 + ((mark >> 12) ^ (mark >> 20) ^ (sp >> 24)) % (kPerChunk - 1);
  for (size_t c = 0; c < kChunks; ++c) {
    Slot* chunk = chunk_at(c);
    if (!chunk) return nullptr;
    for (size_t i = 0; i < kPerChunk; ++i) {
      Slot& slot = chunk[(start + i) % kPerChunk];
      if (take(slot)) return &slot;
    }
    for (size_t i = 0; i < kPerChunk; ++i)
      if (__atomic_load_n(&chunk[i].busy, __ATOMIC_RELAXED) == 1 && abandoned(chunk[i], mark, sp)) return &chunk[i];
  }
  return nullptr;
}

}  // namespace

long OwnGuest::read(uint64_t at, void* out, size_t size) { return trap_copy_in(out, reinterpret_cast<void*>(at), size); }
long OwnGuest::write(uint64_t at, const void* data, size_t size) {
  return trap_copy_out(reinterpret_cast<void*>(at), data, size);
}
long OwnGuest::read_text(uint64_t at, char* out, size_t capacity) {
  return trap_copy_text(out, reinterpret_cast<const char*>(at), capacity);
}
uint64_t OwnGuest::place_for(size_t size) { return size <= sizeof place_ ? reinterpret_cast<uint64_t>(place_) : 0; }

Slot* claim_slot(const Trap& trap) {
  uint64_t mark = thread_mark(me().fast_mark);
  uint64_t sp = reinterpret_cast<uint64_t>(&trap);
  Slot* slot = search(mark, sp);
  if (!slot) return nullptr;
  new (&slot->memory) OwnGuest;  // slots come as zeroed pages
  slot->mark = mark;
  slot->sp = sp;
  slot->trap = &trap;
  slot->done = 0;
  return slot;
}

void release_slot(Slot* slot) {
  slot->trap = nullptr;
  __atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
}

char* slot_extra(Slot* slot, size_t size) {
  if (slot->extra_size >= size) return slot->extra;
  size = (size + 0xffff) & ~size_t{0xffff};
  long made = call(__NR_mmap, 0, static_cast<long>(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (failed(made)) return nullptr;
  if (slot->extra) call(__NR_munmap, address(slot->extra), static_cast<long>(slot->extra_size));
  slot->extra = reinterpret_cast<char*>(made);
  slot->extra_size = size;
  return slot->extra;
}

Slot* slot_above(uint64_t sp) {
  uint64_t mark = thread_mark(me().fast_mark);
  Slot* best = nullptr;
  for (size_t c = 0; c < kChunks; ++c) {
    Slot* chunk = find_chunk(c);
    if (!chunk) break;
    for (size_t i = 0; i < kPerChunk; ++i) {
      Slot& slot = chunk[i];
      if (!__atomic_load_n(&slot.busy, __ATOMIC_ACQUIRE) || slot.mark != mark) continue;
      if (slot.sp < sp || slot.sp - sp > kNear) continue;
      if (!best || slot.sp < best->sp) best = &slot;
    }
  }
  return best;
}

}  // namespace udocker::trap
