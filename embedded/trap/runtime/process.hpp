// What one guest process knows about itself. It lives in the runtime's own data: forks get a copy, threads share it.
#pragma once
#include "embedded/trap/runtime/abi.hpp"
#include "embedded/trap/runtime/sys.hpp"
#include "guest/translate.hpp"

namespace udocker::trap {

struct Process {
  const Settings* settings = nullptr;
  const guest::View* view = nullptr;
  guest::Shared* shared = nullptr;
  bool fast_mark = false;         // the processor lets us read the thread pointer
  bool patches = false;           // T1, and a dynamic program: others have loaders of their own (valgrind, emulators)
  int root_fd = -1;               // ROOT's descriptor; -1: given up
  uint64_t clock_read = 0;        // trap_ticks() when the shared clock was last set
  bool identity_changed = false;  // it differs from the view's start; get*id stop by a stacked filter
  guest::Owners owners;
  guest::Identity identity{};
  guest::Text program;      // what /proc/self/exe shows; lies on the stack, before all the guest may write to
  guest::GuestPath root;    // where chroot() went; empty: nowhere

  guest::Text root_text() const { return root.empty() ? guest::Text("/") : root.text(); }

  const char* text(uint32_t at) const { return reinterpret_cast<const char*>(settings) + at; }
};

Process& me();
void make_me();  // once, at start

void note_owner();  // once, at start
void find_root_fd();  // once, at start
// Closes ROOT's descriptor: the guest is about to look at its descriptors.
void give_up_root_fd();
void keep_clock();  // sets the container's clock when it may be a millisecond old
// Process id of the memory's owner: a vfork child sees its parent's.
int owner_pid();
// True in a child that shares its parent's memory.
bool in_borrowed_memory();

// Writes to standard error.
void say(const char* first, const char* second = "", const char* third = "");
[[noreturn]] void die(const char* what, const char* object = "", long error = 0);

}  // namespace udocker::trap
