// Functions whose libc bodies reach for host files in ways of their own.
#include "exec.hpp"
#include "wrap.hpp"

namespace udocker::preload {

CALL_FUNCTION(chroot, __NR_chroot, a)
CALL_FUNCTION(open_tree, __NR_open_tree, a, b, c)
CALL_FUNCTION(move_mount, __NR_move_mount, a, b, c, d, e)
CALL_FUNCTION(fspick, __NR_fspick, a, b, c)
CALL_FUNCTION(mount_setattr, __NR_mount_setattr, a, b, c, d, e)

// The passwd files are the guest's and have one writer: there is nothing to lock.
EXPORT long lckpwdf() { return active() ? 0 : NEXT("lckpwdf")(0, 0, 0, 0, 0, 0); }
EXPORT long ulckpwdf() { return active() ? 0 : NEXT("ulckpwdf")(0, 0, 0, 0, 0, 0); }

EXPORT long daemon(long keep_directory, long keep_streams) {
  if (!active()) return NEXT("daemon")(keep_directory, keep_streams, 0, 0, 0, 0);
  const long result = as_int(NEXT("daemon")(1, keep_streams, 0, 0, 0, 0));
  if (result == 0 && !keep_directory) {
    forget_directory();
    sys::call(__NR_chdir, word(state.view->root().data));
    forget_directory();
  }
  return result;
}


namespace {

// POSIX shared memory is a file below /dev/shm.
long shared_memory(const char* name, char* path, size_t capacity) {
  constexpr Text kDirectory = "/dev/shm/";
  while (*name == '/') ++name;
  const size_t size = text_size(name);
  if (!size || size > 255 || has_slash(name) || kDirectory.size + size + 1 > capacity) return -EINVAL;
  copy(path, kDirectory.data, kDirectory.size);
  copy(path + kDirectory.size, name, size + 1);
  return 0;
}

// Where the libc's own calls do not come to us, fts works on host names, which the other functions understand, and only
// the start is mapped. Where they do, all but some changes of the working directory do, which are avoided.
long open_tree_walk(Function function, char** paths, long options, long compare) {
  size_t count = 0;
  while (paths && paths[count]) ++count;
  constexpr long kNoChangeDir = 4;
  if (!active() || !count || state.names_pass)
    return function(word(paths), state.names_pass ? options | kNoChangeDir : options, compare, 0, 0, 0);
  auto** mapped = static_cast<char**>(__builtin_alloca((count + 1) * sizeof(char*)));
  for (size_t i = 0; i < count; ++i) {
    mapped[i] = paths[i];
    Mapped m;
    if (paths[i][0] == '/' && map_path(sys::kAtCwd, paths[i], Follow::no, Guess::no, m) == 0)
      mapped[i] = const_cast<char*>(keep_text(text_of(m.path)));
  }
  mapped[count] = nullptr;
  return function(word(mapped), options, compare, 0, 0, 0);
}

}  // namespace

// Constructors of other libraries may come before ours: what these functions open must come to us by then.
#define AWAKE(name)                                                  \
  EXPORT long name(long a, long b, long c, long d) {                 \
    active();                                                        \
    return NEXT(#name)(a, b, c, d, 0, 0);                            \
  }
AWAKE(setlocale)
AWAKE(newlocale)
AWAKE(iconv_open)
AWAKE(tzset)
AWAKE(localtime)
AWAKE(localtime_r)
AWAKE(mktime)
AWAKE(getaddrinfo)
AWAKE(gethostbyname)

EXPORT long bindtextdomain(long domain, long directory) {
  if (!directory || !active() || state.names_pass) return NEXT("bindtextdomain")(domain, directory, 0, 0, 0, 0);
  MAP_NULL(directory, Follow::yes)
  return NEXT("bindtextdomain")(domain, word(m.path), 0, 0, 0, 0);
}

EXPORT long shm_open(const char* name, long flags, long mode) {
  char path[300];
  if (!active()) return NEXT("shm_open")(word(name), flags, mode, 0, 0, 0);
  const long error = shared_memory(name, path, sizeof path);
  if (error < 0) return fail(error);
  constexpr long kNonBlock = 04000;
  return c_result(emulate(__NR_openat, sys::kAtCwd, word(path), flags | kNoFollowOpen | kCloseOnExec | kNonBlock, mode));
}
EXPORT long shm_unlink(const char* name) {
  char path[300];
  if (!active()) return NEXT("shm_unlink")(word(name), 0, 0, 0, 0, 0);
  const long error = shared_memory(name, path, sizeof path);
  return c_result(error < 0 ? error : emulate(__NR_unlinkat, sys::kAtCwd, word(path), 0));
}

EXPORT long fts_open(char** paths, long options, long compare) { return open_tree_walk(NEXT("fts_open"), paths, options, compare); }
EXPORT long fts64_open(char** paths, long options, long compare) {
  return open_tree_walk(NEXT("fts64_open"), paths, options, compare);
}

}  // namespace udocker::preload
