#include "embedded/trap/runtime/process.hpp"

#include "embedded/trap/runtime/arch.hpp"

#include <linux/mman.h>

#include <new>

namespace udocker::trap {
namespace {

[[gnu::section(".bss.1hot")]] alignas(Process) char storage[sizeof(Process)];

// Wiped at fork, so that a child with memory of its own can be told from one without.
struct alignas(kLargestPage) OwnerPage {
  int pid;
};
[[gnu::section(".bss.9owner")]] OwnerPage owner;
[[gnu::section(".bss.1hot")]] bool owner_known;

size_t length(const char* text) {
  size_t size = 0;
  while (text[size]) ++size;
  return size;
}

void write_text(const char* text) { call(__NR_write, 2, address(text), static_cast<long>(length(text))); }

}  // namespace

void say(const char* first, const char* second, const char* third) {
  write_text(first);
  write_text(second);
  write_text(third);
}

Process& me() { return *reinterpret_cast<Process*>(storage); }
void make_me() { new (storage) Process; }

void note_owner() {
  owner_known = call(__NR_madvise, address(&owner), sizeof owner, MADV_WIPEONFORK) == 0;
  owner.pid = static_cast<int>(call(__NR_getpid));
}

namespace {

bool root_is_open() {
  guest::sys::Stat stat;
  return call(__NR_fstat, me().settings->root_fd, address(&stat)) == 0 && stat.dev == me().view->root_dev && stat.ino == me().view->root_ino;
}

}  // namespace

void find_root_fd() {
  if (me().settings->root_fd >= 0 && me().view->root().size > 1 && root_is_open()) me().root_fd = me().settings->root_fd;
}

// In a child that borrows our memory this closes the child's and makes us do without ours.
void give_up_root_fd() {
  __atomic_store_n(&me().root_fd, -1, __ATOMIC_RELAXED);
  if (me().settings->root_fd >= 0 && root_is_open()) guest::sys::close(me().settings->root_fd);
}

// The counter says whether the kernel must be asked; no vDSO, which the guest may have unmapped.
void keep_clock() {
  constexpr long kMonotonicCoarse = 6;
  auto ticks = static_cast<uint64_t>(trap_ticks());
  if (ticks - __atomic_load_n(&me().clock_read, __ATOMIC_RELAXED) < ticks_per_millisecond() && !failed(static_cast<long>(ticks))) return;
  __atomic_store_n(&me().clock_read, ticks, __ATOMIC_RELAXED);
  int64_t time[2];
  if (call(__NR_clock_gettime, kMonotonicCoarse, address(time))) return;
  uint32_t now = static_cast<uint32_t>(time[0] * 1000 + time[1] / 1000000) | 1;
  __atomic_store_n(&me().shared->now, now, __ATOMIC_RELAXED);
}

int owner_pid() {
  if (!owner_known) return static_cast<int>(call(__NR_getpid));
  if (owner.pid == 0) owner.pid = static_cast<int>(call(__NR_getpid));
  return owner.pid;
}

bool in_borrowed_memory() { return owner_known && owner_pid() != call(__NR_getpid); }

void die(const char* what, const char* object, long error) {
  say("udocker-trap: ", what);
  if (*object) say(" ", object);
  if (error) {
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    digits[--at] = '\n';
    digits[--at] = ')';
    for (long value = error < 0 ? -error : error; value; value /= 10) digits[--at] = static_cast<char>('0' + value % 10);
    say(" (error ", digits + at);
  } else {
    say("\n");
  }
  call(__NR_exit_group, 127);
  __builtin_trap();
}

}  // namespace udocker::trap

extern "C" void __cxa_pure_virtual() { __builtin_trap(); }
