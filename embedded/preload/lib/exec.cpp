// execve and its relatives: what is executed is the guest's loader with the program (F1, F2, and files that nobody
// patched), or the patched program (F3, F4); our variables go along.
#include "exec.hpp"

#include <stdarg.h>

#include "guest/exec_plan.hpp"
#include "wrap.hpp"

extern "C" {
extern char** environ __attribute__((weak));
}

namespace udocker::preload {

namespace {

constexpr const char* kOwnNames[] = {"UDOCKER_PL_", UDOCKER_PL_HIDDEN, "LD_PRELOAD=", "LD_LIBRARY_PATH=", "LD_LIBRARY_REAL="};

bool starts(const char* text, const char* with) {
  while (*with && *text == *with) ++text, ++with;
  return !*with;
}

size_t count_of(char** list) {
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
void add_host_list(Writer& out, Text list, const char* separators) {
  Scratch scratch;
  guest::HostPath& host = scratch->text;
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
      if (part[0] == '/' && !guest::contains_path(state.view->root(), part)) {
        guest::guest_to_host(*state.view, part, host);
        out.add(host.text());
      } else {
        out.add(part);
      }
      out.add(":");
    }
    at = end + 1;
  }
}

size_t parts_in(const char* list) {
  size_t count = 1;
  for (; *list; ++list) count += *list == ':' || *list == ' ';
  return count;
}

struct Wanted {
  const char* preload = nullptr;  // the guest's own LD_PRELOAD= and LD_LIBRARY_PATH= entries
  const char* libraries = nullptr;
};

// Room for all texts that make_environment writes.
size_t environment_room(char** envp, const guest::ExecPlan& plan, const char* argv0) {
  size_t size = 1024 + text_size(state.preload) + text_size(state.library_path) + plan.program_guest.size() + text_size(argv0);
  for (char** at = envp; at && *at; ++at)
    if (starts(*at, "LD_"))
      size += 2 * text_size(*at) + 32 + parts_in(*at) * (guest::kPathMax / 4 + state.view->root().size);
  return size;
}

void make_environment(char** out, char** envp, const guest::ExecPlan& plan, const char* argv0, bool real, Writer& texts) {
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
  texts.add(text_of(state.preload));
  if (wanted.preload) {
    texts.add(":");
    add_host_list(texts, text_of(wanted.preload + 11), ": ");
  }
  *out++ = texts.finish();
  texts.begin();
  const Text name = real ? "LD_LIBRARY_REAL=" : "LD_LIBRARY_PATH=";
  texts.add(name);
  if (wanted.libraries) add_host_list(texts, text_of(wanted.libraries + 16), ":;");
  const size_t skip = texts.written() - name.size;
  texts.add(text_of(state.library_path));
  *out++ = texts.finish();
  texts.begin();
  texts.add(UDOCKER_PL_SKIP);
  texts.add_number(skip);
  *out++ = texts.finish();
  *out++ = const_cast<char*>(state.config - (sizeof(UDOCKER_PL_CONFIG) - 1));
  texts.begin();
  texts.add(UDOCKER_PL_PROGRAM);
  texts.add(plan.program_guest.text());
  *out++ = texts.finish();
  texts.begin();
  texts.add(UDOCKER_PL_ARGV0);
  texts.add(text_of(argv0));
  *out++ = texts.finish();
  if (state.patcher[0]) {
    texts.begin();
    texts.add(UDOCKER_PL_PATCHER);
    texts.add(text_of(state.patcher));
    *out++ = texts.finish();
  }
  *out = nullptr;
}

bool is_musl(Text loader) {
  for (size_t i = 0; i + 4 <= loader.size; ++i)
    if (loader.from(i).starts_with("musl")) return true;
  return false;
}

// F4: has our own program patch the file, in a child of its own. True when the child succeeded.
bool patch_program(const guest::ExecPlan& plan) {
  char* argv[] = {const_cast<char*>("udocker-patchelf"), const_cast<char*>("-q"), const_cast<char*>("--set-root-prefix"),
                  const_cast<char*>(state.view->root().data), const_cast<char*>(plan.program.c_str()), nullptr};
  char* none[] = {nullptr};
  const long child = sys::call(__NR_clone, 17 /* SIGCHLD */);
  if (child == 0) {
    sys::call(__NR_execve, word(state.patcher), word(argv), word(none));
    sys::call(__NR_exit_group, 127);
  }
  int status = -1;
  return child > 0 && sys::call(__NR_wait4, child, word(&status), 0, 0) == child && status == 0;
}

struct Program {
  const char* file;
  char** argv;
  char** envp;
};

// Decides what to execute and calls run with it; the lists live until run returns. 0 or -errno from planning, else
// what run returns.
template <class Run>
long with_program(int dir, const char* path, char** argv, char** envp, int flags, Run run) {
  guest::Place place{};
  place.view = state.view;
  place.shared = state.shared;
  place.root = "/";
  place.pid = static_cast<int>(sys::call(__NR_getpid));
  place.tid = static_cast<int>(sys::call(__NR_gettid));
  place.self = true;
  place.program_of = program_of;
  guest::Workspace work;
  guest::Resolved found;
  guest::ExecPlan plan;
  const Follow follow = flags & sys::kNoFollow ? Follow::no : Follow::yes;
  const bool empty = !*path && (flags & kEmptyPathFlag);
  long result = guest::plan_exec(place, work, found, nullptr, dir, text_of(path), follow, empty, plan);
  if (result < 0) return result;
  if (plan.kind == guest::ExecKind::emulated) return -ENOEXEC;

  const bool known = plan.program_elf.machine != 0;
  if (plan.kind == guest::ExecKind::direct && known && !state.has(kAllowStatic)) {
    complain(plan.program_guest.text(), " is statically linked, which modes F1 to F4 cannot confine: use a P or T mode",
             ", or allow it to see the host with --allow-static");
    return -EACCES;
  }
  bool through_loader = plan.kind == guest::ExecKind::dynamic;
  if (through_loader && !state.has(kThroughLoader)) {
    const Text interpreter(plan.program_elf.interpreter);
    through_loader = !guest::contains_path(state.view->root(), interpreter);
    if (through_loader && state.has(kPatchAtExec) && state.patcher[0]) through_loader = !patch_program(plan);
  }

  const size_t argc = count_of(argv), envc = count_of(envp);
  auto** out = static_cast<char**>(__builtin_alloca((argc + plan.prefix_count + 6) * sizeof(char*)));
  auto** env = static_cast<char**>(__builtin_alloca((envc + 12) * sizeof(char*)));
  const char* argv0 = plan.prefix_count ? plan.prefix : (argc ? argv[0] : "");
  size_t used = 0;
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

  const size_t room = environment_room(envp, plan, argv0);
  Writer texts(static_cast<char*>(__builtin_alloca(room)), room);
  make_environment(env, envp, plan, argv0, state.has(kLoaderReal) && !is_musl(plan.interpreter.text()), texts);
  return run(Program{through_loader ? plan.interpreter.c_str() : plan.program.c_str(), out, env});
}

bool goes_on(int error) {
  return error == ENOENT || error == ENOTDIR || error == ESTALE || error == ENODEV || error == ETIMEDOUT || error == EACCES;
}

// Tries `file` in the directories of PATH; attempt(path) returns an errno value. A text that is neither program nor
// script goes to the shell.
template <class Attempt, class Shell>
long search(const char* file, Attempt attempt, Shell shell) {
  const auto both = [&](const char* path) {
    const long error = attempt(path);
    return error == ENOEXEC ? shell(path) : error;
  };
  if (!*file) return ENOENT;
  if (has_slash(file)) return both(file);
  const char* list = variable("PATH=");
  if (!list) list = "/bin:/usr/bin";
  const size_t name = text_size(file);
  bool refused = false;
  long last = ENOENT;
  char path[guest::kPathMax];
  for (;;) {
    size_t size = 0;
    while (list[size] && list[size] != ':') ++size;
    if (size + name + 2 <= sizeof path) {
      copy(path, list, size);
      size_t at = size;
      if (size) path[at++] = '/';
      copy(path + at, file, name + 1);
      last = both(path);
      if (!goes_on(static_cast<int>(last))) return last;
      refused = refused || last == EACCES;
    }
    if (!list[size]) break;
    list += size + 1;
  }
  return refused ? EACCES : last;
}

// argv with the shell before it.
template <class Run>
long with_shell(const char* path, char** argv, Run run) {
  const size_t argc = count_of(argv);
  auto** out = static_cast<char**>(__builtin_alloca((argc + 3) * sizeof(char*)));
  out[0] = argc ? argv[0] : const_cast<char*>("sh");
  out[1] = const_cast<char*>(path);
  size_t used = 2;
  for (size_t i = 1; i < argc; ++i) out[used++] = argv[i];
  out[used] = nullptr;
  return run("/bin/sh", out);
}

long exec_search(const char* file, char** argv, char** envp) {
  const auto attempt = [&](const char* path) {
    exec_file(sys::kAtCwd, path, argv, envp, 0);
    return static_cast<long>(get_errno());
  };
  const auto shell = [&](const char* path) {
    return with_shell(path, argv, [&](const char* sh, char** list) {
      exec_file(sys::kAtCwd, sh, list, envp, 0);
      return static_cast<long>(get_errno());
    });
  };
  return fail(search(file, attempt, shell));
}

// The words of execl and its relatives; `rest` stands behind the first one and is left behind the final null.
size_t count_words(va_list rest) {
  size_t count = 1;
  while (va_arg(rest, char*)) ++count;
  return count;
}

}  // namespace

char** own_environment() { return &environ ? environ : nullptr; }

const char* variable(const char* name) {
  for (char** at = own_environment(); at && *at; ++at)
    if (starts(*at, name)) return *at + text_size(name);
  return nullptr;
}

long exec_file(int dir, const char* path, char** argv, char** envp, int flags) {
  if (!path) return fail(EFAULT);
  if (!active()) return c_result(sys::call(__NR_execveat, dir, word(path), word(argv), word(envp), flags));
  return c_result(with_program(dir, path, argv, envp, flags, [](const Program& p) {
    return sys::call(__NR_execve, word(p.file), word(p.argv), word(p.envp));
  }));
}

long spawn_file(long pid, const char* path, long actions, long attributes, char** argv, char** envp) {
  const auto run = [&](const char* file, char** list, char** env) {
    return NEXT("posix_spawn")(pid, word(file), actions, attributes, word(list), word(env));
  };
  if (!active()) return run(path, argv, envp);
  // posix_spawn's errors are positive, planning's negative.
  const long result = with_program(sys::kAtCwd, path, argv, envp, 0,
                                   [&](const Program& p) { return static_cast<long>(static_cast<int>(run(p.file, p.argv, p.envp))); });
  return result < 0 ? -result : result;
}

EXPORT long execve(const char* path, char** argv, char** envp) { return exec_file(sys::kAtCwd, path, argv, envp, 0); }
EXPORT long execv(const char* path, char** argv) { return exec_file(sys::kAtCwd, path, argv, own_environment(), 0); }
EXPORT long execveat(int dir, const char* path, char** argv, char** envp, int flags) {
  return exec_file(dir, path, argv, envp, flags);
}
EXPORT long fexecve(int fd, char** argv, char** envp) { return exec_file(fd, "", argv, envp, kEmptyPathFlag); }
EXPORT long execvpe(const char* file, char** argv, char** envp) { return exec_search(file, argv, envp); }
EXPORT long execvp(const char* file, char** argv) { return exec_search(file, argv, own_environment()); }

#define COLLECT_WORDS                                                                \
  va_list list, again;                                                               \
  va_start(list, first);                                                             \
  va_copy(again, list);                                                              \
  const size_t count = first ? count_words(again) : 0;                               \
  va_end(again);                                                                     \
  auto** argv = static_cast<char**>(__builtin_alloca((count + 1) * sizeof(char*)));  \
  argv[0] = const_cast<char*>(first);                                                \
  for (size_t i = 1; i <= count; ++i) argv[i] = va_arg(list, char*);

EXPORT long execl(const char* path, const char* first, ...) {
  COLLECT_WORDS
  va_end(list);
  return exec_file(sys::kAtCwd, path, argv, own_environment(), 0);
}
EXPORT long execle(const char* path, const char* first, ...) {
  COLLECT_WORDS
  char** envp = va_arg(list, char**);
  va_end(list);
  return exec_file(sys::kAtCwd, path, argv, envp, 0);
}
EXPORT long execlp(const char* file, const char* first, ...) {
  COLLECT_WORDS
  va_end(list);
  return exec_search(file, argv, own_environment());
}

EXPORT long posix_spawn(long pid, const char* path, long actions, long attributes, char** argv, char** envp) {
  return spawn_file(pid, path, actions, attributes, argv, envp);
}
EXPORT long posix_spawnp(long pid, const char* file, long actions, long attributes, char** argv, char** envp) {
  const auto attempt = [&](const char* path) { return spawn_file(pid, path, actions, attributes, argv, envp); };
  const auto shell = [&](const char* path) {
    return with_shell(path, argv,
                      [&](const char* sh, char** list) { return spawn_file(pid, sh, actions, attributes, list, envp); });
  };
  return search(file, attempt, shell);
}
EXPORT long posix_spawn_file_actions_addopen(long actions, long fd, long path, long flags, long mode) {
  MAP_OR(sys::kAtCwd, path, Follow::yes, Guess::no, { return -mapped_error; })
  return NEXT("posix_spawn_file_actions_addopen")(actions, fd, word(m.path), flags, mode, 0);
}
#define ADD_CHDIR(name)                                                       \
  EXPORT long name(long actions, long path) {                                 \
    MAP_OR(sys::kAtCwd, path, Follow::yes, Guess::no, { return -mapped_error; }) \
    return NEXT(#name)(actions, word(m.path), 0, 0, 0, 0);                    \
  }
ADD_CHDIR(posix_spawn_file_actions_addchdir)
ADD_CHDIR(posix_spawn_file_actions_addchdir_np)

}  // namespace udocker::preload
