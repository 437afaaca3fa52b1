// operator new and delete for a program that lives for milliseconds: small blocks come from one arena in .bss.
//
// musl's allocator maps and unmaps a page for nearly each new size while little is in use, which was a sixth of the time
// to start a container. Blocks here are cut from the arena, kept in a list per size when freed, and never given back;
// what is large, comes when the arena is full, or when another thread is at work in here, is malloc's as before.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
namespace {

constexpr std::size_t kUnit = 16, kLargest = 32 * 1024, kArena = 512 * 1024;

struct Block {
  std::uint64_t units = 0;  // size with this word, in units; what the caller gets begins behind it
  Block* next = nullptr;    // while it is free
};

alignas(kUnit) char g_arena[kArena];
std::size_t g_used = kUnit - sizeof(std::uint64_t);  // so that what callers get is aligned
Block* g_free[kLargest / kUnit + 2];
std::atomic_flag g_busy = ATOMIC_FLAG_INIT;

// Never waits: after a fork the thread that held the lock may be gone.
class Turn {
 public:
  Turn() : mine_(!g_busy.test_and_set(std::memory_order_acquire)) {}
  ~Turn() {
    if (mine_) g_busy.clear(std::memory_order_release);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const { return mine_; }

 private:
  bool mine_;
};

void* take(std::size_t size) {
  const std::size_t units = (size + sizeof(std::uint64_t) + kUnit - 1) / kUnit;
  Turn turn;
  if (!turn) return nullptr;
  Block* block = g_free[units];
  if (block) {
    g_free[units] = block->next;
  } else {
    if (kArena - g_used < units * kUnit) return nullptr;
    block = reinterpret_cast<Block*>(g_arena + g_used);
    g_used += units * kUnit;
    block->units = units;
  }
  return &block->next;
}

void give(void* pointer) {
  auto* byte = static_cast<char*>(pointer);
  if (byte < g_arena || byte >= g_arena + kArena) return std::free(pointer);
  auto* block = reinterpret_cast<Block*>(byte - offsetof(Block, next));
  Turn turn;
  if (!turn) return;  // another thread is in here: the block is lost, which is rare and small
  block->next = g_free[block->units];
  g_free[block->units] = block;
}

}  // namespace

void* operator new(std::size_t size) {
  if (size <= kLargest)
    if (void* pointer = take(size)) return pointer;
  for (;;) {
    if (void* pointer = std::malloc(size ? size : 1)) return pointer;
    std::new_handler handler = std::get_new_handler();
    if (!handler) throw std::bad_alloc();
    handler();
  }
}

void operator delete(void* pointer) noexcept { give(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { give(pointer); }
#endif
