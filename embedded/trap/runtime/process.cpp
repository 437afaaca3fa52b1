#include "embedded/trap/runtime/process.hpp"

#include <new>

namespace udocker::trap {
namespace {

alignas(Process) char storage[sizeof(Process)];

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

int owner_pid() {
  int* page = me().pid_page;
  if (!page) return static_cast<int>(call(__NR_getpid));
  if (*page == 0) *page = static_cast<int>(call(__NR_getpid));
  return *page;
}

bool in_borrowed_memory() { return me().pid_page && owner_pid() != call(__NR_getpid); }

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
