// execve and its relatives: what is executed is the guest's loader with the program (F1, F2, and files that nobody
// patched), or the patched program (F3, F4); our variables go along.
#include "exec.hpp"

#include <stdarg.h>

#include "wrap.hpp"

extern "C" {
extern char** environ __attribute__((weak));
}

namespace udocker::preload {

namespace {

void refuse_static(Text program, const char* why) {
  complain(program, why, ", which modes F1 to F4 cannot confine: use a P or T mode, or allow it to see the host with --allow-static");
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
  return c_result(with_program(state, dir, path, argv, envp, flags, refuse_static, [](const Program& p) {
    return sys::call(__NR_execve, word(p.file), word(p.argv), word(p.envp));
  }));
}

static long spawn_file(Function spawn, long pid, const char* path, long actions, long attributes, char** argv, char** envp) {
  const auto run = [&](const char* file, char** list, char** env) {
    return spawn(pid, word(file), actions, attributes, word(list), word(env));
  };
  if (!active()) return run(path, argv, envp);
  // posix_spawn's errors are positive, planning's negative.
  const long result = with_program(state, sys::kAtCwd, path, argv, envp, 0, refuse_static,
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

#define SPAWN(name, search_name)                                                                                        \
  EXPORT long name(long pid, const char* path, long actions, long attributes, char** argv, char** envp) {               \
    return spawn_file(NEXT(#name), pid, path, actions, attributes, argv, envp);                                         \
  }                                                                                                                     \
  EXPORT long search_name(long pid, const char* file, long actions, long attributes, char** argv, char** envp) {        \
    const Function spawn = NEXT(#name);                                                                                 \
    const auto attempt = [&](const char* path) { return spawn_file(spawn, pid, path, actions, attributes, argv, envp); }; \
    const auto shell = [&](const char* path) {                                                                          \
      return with_shell(path, argv, [&](const char* sh, char** list) {                                                  \
        return spawn_file(spawn, pid, sh, actions, attributes, list, envp);                                             \
      });                                                                                                               \
    };                                                                                                                  \
    return search(file, attempt, shell);                                                                                \
  }
SPAWN(posix_spawn, posix_spawnp)
SPAWN(pidfd_spawn, pidfd_spawnp)

EXPORT long posix_spawn_file_actions_addopen(long actions, long fd, long path, long flags, long mode) {
  MAP_OR(sys::kAtCwd, path, Follow::yes, Guess::no, { return -mapped_error; })
  return NEXT("posix_spawn_file_actions_addopen")(actions, fd, word(for_libc(m)), flags, mode, 0);
}
#define ADD_CHDIR(name)                                                       \
  EXPORT long name(long actions, long path) {                                 \
    MAP_OR(sys::kAtCwd, path, Follow::yes, Guess::no, { return -mapped_error; }) \
    return NEXT(#name)(actions, word(for_libc(m)), 0, 0, 0, 0);                    \
  }
ADD_CHDIR(posix_spawn_file_actions_addchdir)
ADD_CHDIR(posix_spawn_file_actions_addchdir_np)

}  // namespace udocker::preload
