// What to execute for a program of the guest, and with which arguments and variables. Shared by the front end, which
// starts the first program, and the object, which starts all others; no libc, no heap.
#pragma once
#include "embedded/preload/config.hpp"
#include "guest/exec_plan.hpp"
#include "guest/sys.hpp"

#include <asm/errno.h>

namespace udocker::preload {

namespace sys = guest::sys;
using guest::Follow;
using guest::Text;

inline constexpr int kEmptyPathFlag = 0x1000;

// Before a host path outside of ROOT in what the libc or the loader opens, whose calls come to us: means nothing to the
// kernel, and that the path is mapped already to us.
inline constexpr char kMark[] = "/./../././..";

// What is the same for all programs that one process starts.
struct Context {
  Header header;
  const guest::View* view;
  guest::Shared* shared;        // null: no cache
  const char* config;           // value of the variable; its name stands before it
  const char* preload;          // host path of the object
  const char* library_path;     // host directories of the guest's libraries
  const char* udocker;          // host path of our own program; "" when it is not needed
  bool (*program_of)(void* context, int pid, guest::GuestPath& out);
  bool has(HeaderFlag flag) const { return (header.flags & flag) != 0; }
};

inline size_t text_size(const char* text) {
  size_t size = 0;
  while (text[size]) ++size;
  return size;
}
inline Text text_of(const char* text) { return {text, text_size(text)}; }
inline Text base_name(Text path) {
  size_t start = path.size;
  while (start > 0 && path[start - 1] != '/') --start;
  return path.from(start);
}
inline bool has_slash(const char* text) {
  for (; *text; ++text)
    if (*text == '/') return true;
  return false;
}
inline void copy(char* to, const char* from, size_t size) {
  for (size_t i = 0; i < size; ++i) to[i] = from[i];
}

inline constexpr const char* kOwnNames[] = {"UDOCKER_PL_", UDOCKER_PL_HIDDEN, "LD_PRELOAD=", "LD_LIBRARY_PATH=", "LD_LIBRARY_REAL="};

inline bool starts(const char* text, const char* with) {
  while (*with && *text == *with) ++text, ++with;
  return !*with;
}

inline size_t count_of(char** list) {
  size_t count = 0;
  if (list)
    while (list[count]) ++count;
  return count;
}

// Texts put one behind the other into memory of the caller's frame.
class Writer {
 public:
  Writer(char* memory, size_t size) : at_(memory), end_(memory + size) {}
  char* begin() { return start_ = at_; }
  void add(Text text) {
    if (static_cast<size_t>(end_ - at_) <= text.size) return;
    copy(at_, text.data, text.size);
    at_ += text.size;
  }
  void add_number(uint64_t value) {
    char digits[20];
    size_t count = sizeof digits;
    do digits[--count] = static_cast<char>('0' + value % 10);
    while (value /= 10);
    add({digits + count, sizeof digits - count});
  }
  char* finish() {
    if (at_ < end_) *at_++ = '\0';
    return start_;
  }
  size_t written() const { return static_cast<size_t>(at_ - start_); }

 private:
  char* at_;
  char* end_;
  char* start_ = at_;
};

// A list of guest directories or files as host paths.
inline void add_host_list(const Context& context, Writer& out, Text list, const char* separators) {
  guest::HostPath host;
  size_t at = 0;
  while (at <= list.size) {
    size_t end = at;
    const auto separates = [&](char c) {
      for (const char* s = separators; *s; ++s)
        if (*s == c) return true;
      return false;
    };
    while (end < list.size && !separates(list[end])) ++end;
    const Text part = list.from(at).first(end - at);
    if (!part.empty()) {
      if (part[0] == '/' && !guest::contains_path(context.view->root(), part)) {
        guest::guest_to_host(*context.view, part, host);
        if (!guest::contains_path(context.view->root(), host.text()) && !(host.text() == part)) out.add(kMark);
        out.add(host.text());
      } else {
        out.add(part);
      }
      out.add(":");
    }
    at = end + 1;
  }
}

// A list of host directories below ROOT as the guest names them; others are left out.
inline void add_guest_list(const Context& context, Writer& out, Text list) {
  const Text root = context.view->root();
  for (size_t at = 0; at <= list.size;) {
    size_t end = at;
    while (end < list.size && list[end] != ':') ++end;
    const Text part = list.from(at).first(end - at);
    if (guest::contains_path(root, part) && part.size > root.size) {
      out.add(part.from(root.size));
      out.add(":");
    }
    at = end + 1;
  }
}

inline size_t parts_in(const char* list) {
  size_t count = 1;
  for (; *list; ++list) count += *list == ':' || *list == ' ';
  return count;
}

struct Wanted {
  const char* preload = nullptr;  // the guest's own LD_PRELOAD= and LD_LIBRARY_PATH= entries
  const char* libraries = nullptr;
};

// Room for all texts that make_environment writes.
inline size_t environment_room(const Context& context, char** envp, const guest::ExecPlan& plan, const char* argv0) {
  size_t size = 1024 + text_size(context.preload) + 2 * text_size(context.library_path) + plan.program_guest.size() + text_size(argv0);
  for (char** at = envp; at && *at; ++at)
    if (starts(*at, "LD_"))
      size += 3 * text_size(*at) + 64 + 2 * parts_in(*at) * (guest::kPathMax / 4 + context.view->root().size);
  return size;
}

// `name`: what the process shall be called, where that is not the name of the file executed.
inline void make_environment(const Context& context, char** out, char** envp, const guest::ExecPlan& plan, const char* argv0, Text name, bool real,
                             Writer& texts) {
  Wanted wanted;
  for (char** at = envp; at && *at; ++at) {
    bool own = false;
    for (const char* name : kOwnNames) own = own || starts(*at, name);
    if (!own) {
      *out++ = *at;
      continue;
    }
    if (starts(*at, "LD_PRELOAD=")) wanted.preload = *at;
    if (starts(*at, "LD_LIBRARY_PATH=")) wanted.libraries = *at;
  }
  const char* const hiding[] = {wanted.preload, wanted.libraries};
  for (const char* hidden : hiding) {
    if (!hidden) continue;
    texts.begin();
    texts.add(UDOCKER_PL_HIDDEN);
    texts.add(text_of(hidden));
    *out++ = texts.finish();
  }
  texts.begin();
  texts.add("LD_PRELOAD=");
  texts.add(text_of(context.preload));
  if (wanted.preload) {
    texts.add(":");
    add_host_list(context, texts, text_of(wanted.preload + 11), ": ");
  }
  *out++ = texts.finish();
  // Loaders changed by setup may read either: the name is not always a text that could be changed.
  const Text lists[] = {"LD_LIBRARY_PATH=", "LD_LIBRARY_REAL="};
  size_t skip = 0;
  for (const Text& list : lists) {
    if (!real && &list != lists) break;
    texts.begin();
    texts.add(list);
    if (wanted.libraries) add_host_list(context, texts, text_of(wanted.libraries + 16), ":;");
    skip = texts.written() - list.size;
    texts.add(text_of(context.library_path));
    *out++ = texts.finish();
  }
  texts.begin();
  texts.add(UDOCKER_PL_SKIP);
  texts.add_number(skip);
  *out++ = texts.finish();
  *out++ = const_cast<char*>(context.config - (sizeof(UDOCKER_PL_CONFIG) - 1));
  texts.begin();
  texts.add(UDOCKER_PL_PROGRAM);
  texts.add(plan.program_guest.text());
  *out++ = texts.finish();
  texts.begin();
  texts.add(UDOCKER_PL_ARGV0);
  texts.add(text_of(argv0));
  *out++ = texts.finish();
  if (!name.empty()) {
    texts.begin();
    texts.add(UDOCKER_PL_NAME);
    texts.add(name);
    *out++ = texts.finish();
  }
  if (context.udocker[0]) {
    texts.begin();
    texts.add(UDOCKER_PL_UDOCKER);
    texts.add(text_of(context.udocker));
    *out++ = texts.finish();
  }
  *out = nullptr;
}

inline bool is_musl(Text loader) {
  for (size_t i = 0; i + 4 <= loader.size; ++i)
    if (loader.from(i).starts_with("musl")) return true;
  return false;
}

// F4: has our own program patch the file, in a child of its own. True when the child succeeded.
inline bool patch_program(const Context& context, const guest::ExecPlan& plan) {
  char* argv[] = {const_cast<char*>("udocker-patchelf"), const_cast<char*>("-q"), const_cast<char*>("--set-root-prefix"),
                  const_cast<char*>(context.view->root().data), const_cast<char*>(plan.program.c_str()), nullptr};
  char* none[] = {nullptr};
  const long child = sys::call(__NR_clone, 17 /* SIGCHLD */);
  if (child == 0) {
    sys::call(__NR_execve, sys::address(context.udocker), sys::address(argv), sys::address(none));
    sys::call(__NR_exit_group, 127);
  }
  int status = -1;
  return child > 0 && sys::call(__NR_wait4, child, sys::address(&status), 0, 0) == child && status == 0;
}

// A dynamic loader started by hand, as ldd does it: a static program by its headers.
inline bool is_loader(const guest::ExecPlan& plan) {
  const Text name = base_name(plan.program_guest.text());
  return plan.program_elf.relocatable && (name.starts_with("ld-") || name.starts_with("ld.so") || name.starts_with("ld64."));
}

// The argument of a loader that names the program; 0 when there is none.
inline size_t program_argument(char** argv) {
  constexpr const char* kWithValue[] = {"--library-path", "--preload", "--audit", "--argv0", "--inhibit-rpath",
                                        "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask"};
  for (size_t i = 1; argv && argv[0] && argv[i]; ++i) {
    if (argv[i][0] != '-') return i;
    for (const char* option : kWithValue)
      if (starts(argv[i], option) && text_size(argv[i]) == text_size(option) && argv[i + 1]) {
        ++i;
        break;
      }
  }
  return 0;
}

// What to give to execve.
struct Program {
  const char* file;
  char** argv;
  char** envp;
};

// A static program goes to the trap engine with the same view, and all that it starts stays there. `words` are the
// program's, the first one being the path to call it by.
template <class Run>
long with_trap(const Context& context, const char* argv0, char** words, size_t count, char** envp, Run run) {
  const guest::View& view = *context.view;
  size_t room = 0;
  for (size_t i = 0; i < view.mount_count; ++i) room += view.mounts[i].guest_size + view.mounts[i].host_size + 8;
  auto** out = static_cast<char**>(__builtin_alloca((2 * view.mount_count + count + 10) * sizeof(char*)));
  Writer texts(static_cast<char*>(__builtin_alloca(room)), room);
  const auto constant = [](const char* text) { return const_cast<char*>(text); };
  size_t used = 0;
  out[used++] = constant("udocker-trap");
  out[used++] = constant("--host-links");
  out[used++] = constant("--argv0");
  out[used++] = constant(argv0);
  out[used++] = constant("-r");
  out[used++] = constant(view.root().data);
  for (size_t i = view.mount_count; i-- > 1;) {
    const guest::Mount& mount = view.mounts[i];
    if (mount.flags & guest::kMountVirtual) continue;
    out[used++] = constant("-b");
    texts.begin();
    texts.add(view.host_of(mount));
    texts.add(":");
    texts.add(view.guest_of(mount));
    if (mount.flags & guest::kMountReadOnly) texts.add(":ro");
    if (mount.flags & guest::kMountNotListed) texts.add(":unlisted");
    out[used++] = texts.finish();
  }
  for (size_t i = 0; i < count; ++i) out[used++] = words[i];
  out[used] = nullptr;
  // Dynamic programs that it starts have a loader that setup has taken its directories from. It reads one of two names.
  if (context.has(kLoaderReal)) {
    const size_t variables = count_of(envp);
    size_t room_for_texts = 2 * text_size(context.library_path) + 128, kept = 0;
    const char* own = "";
    auto** env = static_cast<char**>(__builtin_alloca((variables + 3) * sizeof(char*)));
    for (size_t i = 0; i < variables; ++i) {
      if (starts(envp[i], "LD_LIBRARY_PATH=")) own = envp[i] + 16;
      else env[kept++] = envp[i];
    }
    room_for_texts += 2 * text_size(own);
    Writer variable(static_cast<char*>(__builtin_alloca(room_for_texts)), room_for_texts);
    constexpr Text kNames[] = {"LD_LIBRARY_PATH=", "LD_LIBRARY_REAL="};
    for (const Text& name : kNames) {
      variable.begin();
      variable.add(name);
      if (*own) {
        variable.add(text_of(own));
        variable.add(":");
      }
      add_guest_list(context, variable, text_of(context.library_path));
      env[kept++] = variable.finish();
    }
    env[kept] = nullptr;
    return run(Program{context.udocker, out, env});
  }
  return run(Program{context.udocker, out, envp});
}

// Decides what to execute and calls run(Program) with it; the lists live until run returns. -errno from planning,
// else what run returns. refuse(guest path, why) is told of a program that no library can confine, which gives -EACCES.
// Uses 60 KB of stack.
template <class Refuse, class Run>
long with_program(const Context& context, int dir, const char* path, char** argv, char** envp, int flags, Refuse refuse,
                  Run run) {
  guest::Place place{};
  place.view = context.view;
  place.shared = context.shared;
  place.root = "/";
  place.pid = static_cast<int>(sys::call(__NR_getpid));
  place.tid = static_cast<int>(sys::call(__NR_gettid));
  place.self = true;
  place.program_of = context.program_of;
  guest::Workspace work;
  guest::Resolved found;
  guest::ExecPlan plan;
  const Follow follow = flags & sys::kNoFollow ? Follow::no : Follow::yes;
  const bool empty = !*path && (flags & kEmptyPathFlag);
  long result = guest::plan_exec(place, work, found, nullptr, dir, text_of(path), follow, empty, plan);
  if (result < 0) return result;
  if (plan.kind == guest::ExecKind::emulated) return -ENOEXEC;

  const bool known = plan.program_elf.machine != 0;
  const bool loader = plan.kind == guest::ExecKind::direct && known && is_loader(plan);
  const bool is_static = plan.kind == guest::ExecKind::direct && known && !loader;
  const bool stays_out = (is_static || plan.program_elf.is_go) && !context.has(kAllowStatic);
  if (stays_out && (!context.has(kTrapStatic) || !context.udocker[0])) {
    refuse(plan.program_guest.text(), is_static ? " is statically linked" : " makes system calls of its own (Go)");
    return -EACCES;
  }
  bool through_loader = plan.kind == guest::ExecKind::dynamic;
  if (through_loader && !context.has(kThroughLoader)) {
    const Text interpreter(plan.program_elf.interpreter);
    through_loader = !guest::contains_path(context.view->root(), interpreter);
    if (through_loader && context.has(kPatchAtExec) && context.udocker[0]) through_loader = !patch_program(context, plan);
  }

  const size_t argc = count_of(argv), envc = count_of(envp);
  auto** out = static_cast<char**>(__builtin_alloca((argc + plan.prefix_count + 6) * sizeof(char*)));
  auto** env = static_cast<char**>(__builtin_alloca((envc + 12) * sizeof(char*)));
  const char* argv0 = plan.prefix_count ? plan.prefix : (argc ? argv[0] : "");
  size_t used = 0;
  if (stays_out) {
    const char* words = plan.prefix;
    for (uint32_t i = 0; i < plan.prefix_count; ++i, words += text_size(words) + 1) out[used++] = const_cast<char*>(words);
    if (!used) out[used++] = const_cast<char*>(empty ? plan.program_guest.c_str() : path);
    for (size_t i = 1; i < argc; ++i) out[used++] = argv[i];
    return with_trap(context, argv0, out, used, envp, run);
  }
  if (through_loader) {
    out[used++] = const_cast<char*>(argv0);
    if (!is_musl(plan.interpreter.text())) out[used++] = const_cast<char*>("--inhibit-cache");
    out[used++] = const_cast<char*>(plan.program.c_str());
  } else {
    out[used++] = const_cast<char*>(argv0);
  }
  const char* words = plan.prefix;
  for (uint32_t i = 0; i < plan.prefix_count; ++i) {
    if (i) out[used++] = const_cast<char*>(words);
    words += text_size(words) + 1;
  }
  for (size_t i = 1; i < argc; ++i) out[used++] = argv[i];
  out[used] = nullptr;
  if (loader && !plan.prefix_count) {
    const size_t at = program_argument(out);
    if (at && has_slash(out[at]) &&
        guest::resolve(place, work, sys::kAtCwd, text_of(out[at]), Follow::yes, found) == 0)
      out[at] = const_cast<char*>(found.host.c_str());
  }

  const char* file = through_loader ? plan.interpreter.c_str() : plan.program.c_str();
  Text name = base_name(empty ? plan.program_guest.text() : text_of(path));
  if (name == base_name(text_of(file))) name = {};
  const size_t room = environment_room(context, envp, plan, argv0) + name.size;
  Writer texts(static_cast<char*>(__builtin_alloca(room)), room);
  make_environment(context, env, envp, plan, argv0, name, context.has(kLoaderReal) && !is_musl(plan.interpreter.text()), texts);
  return run(Program{file, out, env});
}

}  // namespace udocker::preload
