// What the object knows about its process, and the way from a guest path to a host path.
#pragma once
#include "abi.hpp"
#include "embedded/preload/launch.hpp"
#include "embedded/preload/sites.hpp"
#include "guest/translate.hpp"

namespace udocker::preload {

struct State : Context {  // view is null until set_up: everything passes
  bool mounts_inside;             // some bind shows a part of ROOT elsewhere
  bool libc_hooked;               // what the libc opens for itself comes to us (sites.cpp)
  bool names_pass;                // … so that its functions can be given the guest's names: glibc only
  bool loader_hooked;             // what dlopen opens does
  int first_pid;                  // the process that loaded us; its forks have other numbers
  int root_fd;                    // ROOT, kept open against the program's own closing; -1: not
  char program[guest::kPathMax];  // guest path of the program
};

extern State state;

// Reads the configuration from the environment, once. Called by the constructor and by whoever comes before it.
void set_up();
inline bool active() {
  if (__builtin_expect(!state.view, 0)) set_up();
  return state.view != nullptr;
}

// Working space for one translation, taken from a pool; it must not be held over anything that blocks.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  guest::Task& task() { return *task_; }
  guest::Task* operator->() { return task_; }

 private:
  guest::Task* task_;
  int slot_;
  guest::OwnMemory memory_;
};

// A path for the kernel. `path` points into the object or to the caller's own text.
struct Mapped {
  int dir = sys::kAtCwd;
  const char* path = nullptr;
  bool exact = true;      // false: the last component may be a link, which the kernel must not follow by itself
  bool read_only = false;
  guest::Magic magic = guest::Magic::none;
  char host[guest::kPathMax];
};

// 0 or -errno. With `guess`, Follow::yes may give exact == false instead of looking whether the last name is a link.
enum class Guess : uint8_t { no, yes };
long map_path(int dir, const char* path, Follow follow, Guess guess, Mapped& out);

// Makes a path below ROOT relative to its descriptor, where there is one. For calls that take a directory.
void by_root(Mapped& m);

// True for names that may be a mount, or that mean something in /proc/PID.
bool name_is_special(Text name);

// To be called before and after the working directory changes.
void forget_directory();

// A host path or link text to the guest's name for it, in place; false when it lies outside (and stays).
bool narrow(char* text, size_t capacity);
// The part of a host path below ROOT, pointing into it; null when it is elsewhere.
const char* below_root(const char* host);

// The open family, by a function of the libc that takes (directory,) path, flags and mode. A C result.
long open_at(long (*next)(long, long, long, long, long, long), bool has_dir, long dir, long path, long flags, long mode);

// One system call as the guest means it, through guest::translate. The kernel's result.
long emulate(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0);

// The kernel's call, and one through guest::translate, that may wait for another process: the thread can be cancelled there,
// as in the libc's own functions for them.
long waiting_call(long number, long a, long b, long c, long d, long e = 0, long f = 0);
long emulate_waiting(long number, long a, long b, long c, long d = 0, long e = 0, long f = 0);

// Guest path of the program that process `pid` runs (for guest::Place).
bool program_of(void* context, int pid, guest::GuestPath& out);

// A copy that lives as long as the process.
const char* keep_text(Text text);

// Lets system calls inside the libc and the loader come to us. To be called once, while there is one thread.
void hook_call_sites(const SiteTable* tables);
// The same for the libc of the namespace that an object of the loader's (a link_map) belongs to.
void hook_namespace(const void* object);

// The path for a function of the libc, whose own calls may come to us again: a mark says that it is mapped already.
const char* for_libc(Mapped& m);

// Says something on the standard error stream.
void complain(Text a, Text b = {}, Text c = {});

}  // namespace udocker::preload
