// open, stat, access, readlink and all that is one system call on a path.
#include "exec.hpp"
#include "wrap.hpp"

namespace udocker::preload {

namespace {

constexpr long kCwd = sys::kAtCwd;

bool writes(long flags) {
  if (flags & kPathOnly) return false;
  return (flags & kAccessBits) != 0 || (flags & (kTruncate | kCreate)) || (flags & kTemporary) == kTemporary;
}

// Several names below a directory, none of them "..", a mount or a part of /proc.
bool climbs_nowhere(const char* path) {
  if (!path || path[0] == '/' || !path[0]) return false;
  bool several = false;
  while (*path) {
    size_t size = 0;
    while (path[size] && path[size] != '/') ++size;
    const Text name(path, size);
    if (name == ".." || name_is_special(name)) return false;
    path += size;
    if (*path) several = true;
    while (*path == '/') ++path;
  }
  return several;
}

}  // namespace

// The libc's own function makes the kernel's call: that one knows about cancellation.
long open_at(Function next, bool has_dir, long dir, long path, long flags, long mode) {
  const auto call = [&](Mapped& m, long with) -> long {
    by_root(m);
    if (!has_dir && m.dir != kCwd) return as_int(NEXT("openat")(m.dir, word(m.path), with, mode, 0, 0));
    const long name = word(for_libc(m));
    return as_int(has_dir ? next(m.dir, name, with, mode, 0, 0) : next(name, with, mode, 0, 0, 0));
  };
  const bool no_follow = (flags & kNoFollowOpen) || (flags & (kCreate | kExclusive)) == (kCreate | kExclusive);
  if (has_dir && dir != kCwd && climbs_nowhere(pointer<const char*>(path)) && !(flags & kPathOnly) && active() &&
      !state.view->has(guest::kHasReadOnly)) {
    // Without links on the way the kernel's walk is the guest's.
    const uint64_t how[3] = {static_cast<uint64_t>(flags & 0xffffffff),
                             flags & kCreate || (flags & kTemporary) == kTemporary ? static_cast<uint64_t>(mode & 07777) : 0, 4};
    const long fd = waiting_call(__NR_openat2, dir, path, word(how), sizeof how);
    if (fd >= 0) return fd;
  }
  Mapped m;
  // Without O_PATH a link that must not be followed says so by ELOOP.
  const Guess guess = flags & kPathOnly ? Guess::no : Guess::yes;
  long result = map_path(static_cast<int>(dir), pointer<const char*>(path), no_follow ? Follow::no : Follow::yes, guess, m);
  if (result < 0) return fail(result);
  if (state.view && state.view->has(guest::kHasReadOnly) && writes(flags))
    return c_result(emulate_waiting(__NR_openat, dir, path, flags, mode));
  if (!m.exact) {
    result = call(m, flags | kNoFollowOpen);
    // A link, which with O_DIRECTORY is no directory.
    if (result >= 0 || (get_errno() != ELOOP && !(get_errno() == ENOTDIR && (flags & kDirectory)))) return result;
    result = map_path(static_cast<int>(dir), pointer<const char*>(path), Follow::yes, Guess::no, m);
    if (result < 0) return fail(result);
  }
  if (m.magic != guest::Magic::none) return c_result(emulate_waiting(__NR_openat, dir, path, flags, mode));
  return call(m, flags);
}

namespace {

#define OPEN(name) \
  EXPORT long name(long path, long flags, long mode) { return open_at(NEXT(#name), false, kCwd, path, flags, mode); }
#define OPENAT(name)                                               \
  EXPORT long name(long dir, long path, long flags, long mode) {   \
    return open_at(NEXT(#name), true, dir, path, flags, mode);     \
  }

bool is_link(const sys::Stat& stat) { return (stat.mode & sys::kTypeMask) == sys::kTypeLink; }

// A link's size is that of its text as the guest reads it: what `setup` or a program of the guest turned into a host path
// below ROOT is what it was before. Others are shown as they are.
void show_link_size(const Mapped& m, sys::Stat* stat) {
  if (!state.view || m.magic != guest::Magic::none || stat->size < static_cast<int64_t>(state.view->root().size)) return;
  char text[guest::kPathMax];
  const long size = sys::call(__NR_readlinkat, m.dir, word(m.path), word(text), sizeof text - 1);
  if (size <= 0) return;
  text[size] = '\0';
  if (const char* below = below_root(text)) stat->size = static_cast<int64_t>(text_size(below));
}

// The common end of all stat calls: the kernel's call, then again behind a link.
long stat_at(long dir, long path, long out, long flags) {
  const char* text = pointer<const char*>(path);
  auto* stat = pointer<sys::Stat*>(out);
  if (!text || (!*text && (flags & sys::kEmptyPath)))
    return c_result(sys::call(__NR_newfstatat, dir, path, out, flags));
  const Follow follow = flags & sys::kNoFollow ? Follow::no : Follow::yes;
  Mapped m;
  long result = map_path(static_cast<int>(dir), text, follow, Guess::yes, m);
  if (result < 0) return fail(result);
  if (m.magic == guest::Magic::exe && follow == Follow::yes) return c_result(emulate(__NR_newfstatat, dir, path, out, flags));
  by_root(m);
  result = sys::call(__NR_newfstatat, m.dir, word(m.path), out, flags | (m.exact ? 0 : sys::kNoFollow));
  if (result < 0) return fail(result);
  if (!is_link(*stat)) return 0;
  if (follow == Follow::no) {
    show_link_size(m, stat);
    return 0;
  }
  result = map_path(static_cast<int>(dir), text, Follow::yes, Guess::no, m);
  if (result < 0) return fail(result);
  by_root(m);
  return c_result(sys::call(__NR_newfstatat, m.dir, word(m.path), out, flags));
}

constexpr long kStatxModeOffset = 28, kStatxSizeOffset = 40;

long statx_at(long dir, long path, long flags, long mask, long out) {
  const char* text = pointer<const char*>(path);
  if (!text || (!*text && (flags & sys::kEmptyPath))) return sys::call(__NR_statx, dir, path, flags, mask, out);
  const Follow follow = flags & sys::kNoFollow ? Follow::no : Follow::yes;
  Mapped m;
  long result = map_path(static_cast<int>(dir), text, follow, Guess::yes, m);
  if (result < 0) return result;
  by_root(m);
  // The type must be asked for, to know a link.
  result = sys::call(__NR_statx, m.dir, word(m.path), flags | (m.exact ? 0 : sys::kNoFollow), mask | 1, out);
  if (result < 0) return result;
  const uint16_t mode = *pointer<const uint16_t*>(out + kStatxModeOffset);
  if ((mode & sys::kTypeMask) != sys::kTypeLink) return 0;
  if (follow == Follow::no) {
    auto* size = pointer<uint64_t*>(out + kStatxSizeOffset);
    sys::Stat stat{};
    stat.size = static_cast<int64_t>(*size);
    show_link_size(m, &stat);
    *size = static_cast<uint64_t>(stat.size);
    return 0;
  }
  result = map_path(static_cast<int>(dir), text, Follow::yes, Guess::no, m);
  if (result < 0) return result;
  return sys::call(__NR_statx, m.dir, word(m.path), flags, mask, out);
}

// Maps a path whose last link the kernel may follow by itself (exact == false): turned links of ROOT lead to host paths
// inside it. Only what such a walk does not find may be a link across a mount.
long map_turned(long dir, long path, Follow follow, Mapped& m) {
  const char* text = pointer<const char*>(path);
  const Guess guess = active() && state.has(kTurnedLinks) && text && text[0] == '/' ? Guess::yes : Guess::no;
  const long result = map_path(static_cast<int>(dir), text, follow, guess, m);
  if (result < 0 || m.exact || below_root(m.path)) return result;
  return map_path(static_cast<int>(dir), text, follow, Guess::no, m);
}
bool not_found(long result) { return result == -ENOENT || result == -ENOTDIR || result == -ELOOP || result == -EACCES; }

// From Linux 6.13 on an attribute can be asked for relative to ROOT, which saves the walk of ROOT's own path.
long ask_attribute(long number, Mapped& m, long a, long b, long c) {
  constexpr long kGetAttributeAt = 464;
  static int refused;
  if ((number == __NR_getxattr || number == __NR_lgetxattr) && !__atomic_load_n(&refused, __ATOMIC_RELAXED)) {
    const struct {
      uint64_t value;
      uint32_t size, flags;
    } with{static_cast<uint64_t>(b), c > 0xffff || c < 0 ? 0x10000u : static_cast<uint32_t>(c), 0};
    by_root(m);
    if (m.dir != kCwd) {
      const long result = sys::call(kGetAttributeAt, m.dir, word(m.path), number == __NR_getxattr ? 0 : sys::kNoFollow, a, word(&with), sizeof with);
      if (result != -ENOSYS && result != -EPERM) return result;
      __atomic_store_n(&refused, 1, __ATOMIC_RELAXED);
      m.path = m.host;
    }
  }
  return sys::call(number, word(m.path), a, b, c);
}

// Reading attributes comes with every `ls -l`.
long read_attribute(long number, long path, Follow follow, long a, long b, long c) {
  Mapped m;
  long result = map_turned(kCwd, path, follow, m);
  if (result < 0) return fail(result);
  if (m.magic != guest::Magic::none) return c_result(emulate(number, path, a, b, c));
  result = ask_attribute(number, m, a, b, c);
  if (!m.exact && not_found(result)) {
    result = map_path(kCwd, pointer<const char*>(path), follow, Guess::no, m);
    if (result == 0) result = ask_attribute(number, m, a, b, c);
  }
  return c_result(result);
}

long access_at(long dir, long path, long mode, long flags) {
  Mapped m;
  const Follow follow = flags & sys::kNoFollow ? Follow::no : Follow::yes;
  long result = map_turned(dir, path, follow, m);
  if (result < 0) return fail(result);
  if (m.read_only && (mode & 2)) return fail(EROFS);
  const auto ask = [&] {
    by_root(m);
    if (!flags) return sys::call(__NR_faccessat, m.dir, word(m.path), mode);
    const long modern = sys::call(__NR_faccessat2, m.dir, word(m.path), mode, flags);
    // Before Linux 5.8: real and effective ids are the same here, and a link can always be read.
    return modern == -ENOSYS ? sys::call(__NR_faccessat, m.dir, word(m.path), mode) : modern;
  };
  result = ask();
  // Links of the tree lead to host paths inside it, so a success is one. A failure may be a link across a mount.
  if (result < 0 && !m.exact) {
    result = map_path(static_cast<int>(dir), pointer<const char*>(path), follow, Guess::no, m);
    if (result == 0) result = ask();
  }
  return c_result(result);
}

long read_link(long dir, long path, long buffer, long size) {
  Mapped m;
  long result = map_path(static_cast<int>(dir), pointer<const char*>(path), Follow::no, Guess::yes, m);
  if (result < 0) return fail(result);
  if (m.magic != guest::Magic::none || (m.path == pointer<const char*>(path) && m.path && !*m.path))
    return c_result(emulate(__NR_readlinkat, dir, path, buffer, size));
  char text[guest::kPathMax];
  by_root(m);
  result = sys::call(__NR_readlinkat, m.dir, word(m.path), word(text), sizeof text - 1);
  if (result < 0) return fail(result);
  text[result] = '\0';
  const char* below = below_root(text);
  const char* shown = below ? below : text;
  const long length = static_cast<long>(text_size(shown));
  const long count = length < size ? length : size;
  if (count <= 0) return fail(EINVAL);
  copy(pointer<char*>(buffer), shown, static_cast<size_t>(count));
  return count;
}

long seven(Function next, long number, long a, long b, long c, long d, long e, long f) {
  using Seven = long (*)(long, long, long, long, long, long, long);
  return reinterpret_cast<Seven>(reinterpret_cast<void*>(next))(number, a, b, c, d, e, f);
}

}  // namespace

OPEN(open)
OPEN(open64)
OPEN(__open)
OPEN(__open64)
OPENAT(openat)
OPENAT(openat64)
EXPORT long __open_2(long path, long flags) { return open_at(NEXT("open"), false, kCwd, path, flags, 0); }
EXPORT long __open64_2(long path, long flags) { return open_at(NEXT("open64"), false, kCwd, path, flags, 0); }
EXPORT long __openat_2(long dir, long path, long flags) { return open_at(NEXT("openat"), true, dir, path, flags, 0); }
EXPORT long __openat64_2(long dir, long path, long flags) { return open_at(NEXT("openat64"), true, dir, path, flags, 0); }
EXPORT long creat(long path, long mode) { return open_at(NEXT("open"), false, kCwd, path, 1 | kCreate | kTruncate, mode); }
EXPORT long creat64(long path, long mode) { return open_at(NEXT("open64"), false, kCwd, path, 1 | kCreate | kTruncate, mode); }
EXPORT long openat2(long dir, long path, long how, long size) { return c_result(emulate(__NR_openat2, dir, path, how, size)); }

EXPORT long stat(long path, long out) { return stat_at(kCwd, path, out, 0); }
EXPORT long stat64(long path, long out) { return stat_at(kCwd, path, out, 0); }
EXPORT long lstat(long path, long out) { return stat_at(kCwd, path, out, sys::kNoFollow); }
EXPORT long lstat64(long path, long out) { return stat_at(kCwd, path, out, sys::kNoFollow); }
EXPORT long fstatat(long dir, long path, long out, long flags) { return stat_at(dir, path, out, flags); }
EXPORT long fstatat64(long dir, long path, long out, long flags) { return stat_at(dir, path, out, flags); }
EXPORT long __xstat(long, long path, long out) { return stat_at(kCwd, path, out, 0); }
EXPORT long __xstat64(long, long path, long out) { return stat_at(kCwd, path, out, 0); }
EXPORT long __lxstat(long, long path, long out) { return stat_at(kCwd, path, out, sys::kNoFollow); }
EXPORT long __lxstat64(long, long path, long out) { return stat_at(kCwd, path, out, sys::kNoFollow); }
EXPORT long __fxstatat(long, long dir, long path, long out, long flags) { return stat_at(dir, path, out, flags); }
EXPORT long __fxstatat64(long, long dir, long path, long out, long flags) { return stat_at(dir, path, out, flags); }
EXPORT long statx(long dir, long path, long flags, long mask, long out) { return c_result(statx_at(dir, path, flags, mask, out)); }

EXPORT long access(long path, long mode) { return access_at(kCwd, path, mode, 0); }
EXPORT long faccessat(long dir, long path, long mode, long flags) { return access_at(dir, path, mode, flags); }
EXPORT long eaccess(long path, long mode) { return access_at(kCwd, path, mode, 0x200); }
EXPORT long euidaccess(long path, long mode) { return access_at(kCwd, path, mode, 0x200); }

EXPORT long readlink(long path, long buffer, long size) { return read_link(kCwd, path, buffer, size); }
EXPORT long readlinkat(long dir, long path, long buffer, long size) { return read_link(dir, path, buffer, size); }
EXPORT long __readlink_chk(long path, long buffer, long size, long) { return read_link(kCwd, path, buffer, size); }
EXPORT long __readlinkat_chk(long dir, long path, long buffer, long size, long) { return read_link(dir, path, buffer, size); }

CALL_FUNCTION(symlink, __NR_symlinkat, a, kCwd, b)
CALL_FUNCTION(symlinkat, __NR_symlinkat, a, b, c)
CALL_FUNCTION(mkdir, __NR_mkdirat, kCwd, a, b)
CALL_FUNCTION(mkdirat, __NR_mkdirat, a, b, c)
CALL_FUNCTION(rmdir, __NR_unlinkat, kCwd, a, sys::kRemoveDir)
CALL_FUNCTION(unlink, __NR_unlinkat, kCwd, a, 0)
CALL_FUNCTION(unlinkat, __NR_unlinkat, a, b, c)
CALL_FUNCTION(rename, __NR_renameat2, kCwd, a, kCwd, b, 0)
CALL_FUNCTION(renameat, __NR_renameat2, a, b, c, d, 0)
CALL_FUNCTION(renameat2, __NR_renameat2, a, b, c, d, e)
CALL_FUNCTION(link, __NR_linkat, kCwd, a, kCwd, b, 0)
CALL_FUNCTION(linkat, __NR_linkat, a, b, c, d, e)
CALL_FUNCTION(chmod, __NR_fchmodat, kCwd, a, b)
CALL_FUNCTION(chown, __NR_fchownat, kCwd, a, b, c, 0)
CALL_FUNCTION(lchown, __NR_fchownat, kCwd, a, b, c, sys::kNoFollow)
CALL_FUNCTION(fchownat, __NR_fchownat, a, b, c, d, e)
CALL_FUNCTION(truncate, __NR_truncate, a, b)
CALL_FUNCTION(truncate64, __NR_truncate, a, b)
CALL_FUNCTION(mkfifo, __NR_mknodat, kCwd, a, (b & 07777) | sys::kTypeFifo, 0)
CALL_FUNCTION(mkfifoat, __NR_mknodat, a, b, (c & 07777) | sys::kTypeFifo, 0)
CALL_FUNCTION(mknod, __NR_mknodat, kCwd, a, b, c)
CALL_FUNCTION(mknodat, __NR_mknodat, a, b, c, d)
EXPORT long __xmknod(long, long path, long mode, long device) {
  return c_result(emulate(__NR_mknodat, kCwd, path, mode, *pointer<const long*>(device)));
}
EXPORT long __xmknodat(long, long dir, long path, long mode, long device) {
  return c_result(emulate(__NR_mknodat, dir, path, mode, *pointer<const long*>(device)));
}
#define XATTR(name, follow) \
  EXPORT long name(long path, long a, long b, long c) { return read_attribute(__NR_##name, path, follow, a, b, c); }
CALL_FUNCTION(acct, __NR_acct, a)
CALL_FUNCTION(swapon, __NR_swapon, a, b)
CALL_FUNCTION(swapoff, __NR_swapoff, a)
CALL_FUNCTION(umount, __NR_umount2, a, 0)
CALL_FUNCTION(umount2, __NR_umount2, a, b)
CALL_FUNCTION(mount, __NR_mount, a, b, c, d, e)
CALL_FUNCTION(pivot_root, __NR_pivot_root, a, b)
CALL_FUNCTION(setxattr, __NR_setxattr, a, b, c, d, e)
CALL_FUNCTION(lsetxattr, __NR_lsetxattr, a, b, c, d, e)
XATTR(getxattr, Follow::yes)
XATTR(lgetxattr, Follow::no)
XATTR(listxattr, Follow::yes)
XATTR(llistxattr, Follow::no)
CALL_FUNCTION(removexattr, __NR_removexattr, a, b)
CALL_FUNCTION(lremovexattr, __NR_lremovexattr, a, b)
CALL_FUNCTION(inotify_add_watch, __NR_inotify_add_watch, a, b, c)
CALL_FUNCTION(fanotify_mark, __NR_fanotify_mark, a, b, c, d, e)
CALL_FUNCTION(name_to_handle_at, __NR_name_to_handle_at, a, b, c, d, e)
CALL_FUNCTION(statfs, __NR_statfs, a, b)
CALL_FUNCTION(__statfs, __NR_statfs, a, b)
CALL_FUNCTION(statfs64, __NR_statfs, a, b)
EXPORT long chdir(long path) {
  MAP(path, Follow::yes)
  forget_directory();
  const long result = c_result(sys::call(__NR_chdir, word(m.path)));
  forget_directory();
  return result;
}
EXPORT long fchdir(long fd) {
  forget_directory();
  const long result = c_result(sys::call(__NR_fchdir, fd));
  forget_directory();
  return result;
}

EXPORT long fchmodat(long dir, long path, long mode, long flags) {
  if (!flags) return c_result(emulate(__NR_fchmodat, dir, path, mode));
  MAP_OR(dir, path, flags & sys::kNoFollow ? Follow::no : Follow::yes, Guess::no, { return fail(mapped_error); })
  return NEXT("fchmodat")(m.dir, word(for_libc(m)), mode, flags, 0, 0);
}
EXPORT long lchmod(long path, long mode) { return fchmodat(kCwd, path, mode, sys::kNoFollow); }
EXPORT long remove(long path) {
  const long result = emulate(__NR_unlinkat, kCwd, path, 0);
  return c_result(result == -EISDIR || result == -EPERM ? emulate(__NR_unlinkat, kCwd, path, sys::kRemoveDir) : result);
}
// The kernel takes a null path for the descriptor itself.
EXPORT long utimensat(long dir, long path, long times, long flags) {
  if (!path) return fail(EINVAL);
  return c_result(emulate(__NR_utimensat, dir, path, times, flags));
}

#define FOPEN(name)                                                                     \
  EXPORT long name(long path, long mode) {                                              \
    MAP_NULL(path, Follow::yes)                                                         \
    if (m.magic == guest::Magic::none) return NEXT(#name)(word(for_libc(m)), mode, 0, 0, 0, 0); \
    const long fd = c_result(emulate(__NR_openat, kCwd, path, kReadOnly | kCloseOnExec, 0)); \
    return fd < 0 ? 0 : NEXT("fdopen")(fd, mode, 0, 0, 0, 0);                           \
  }

PATH_FUNCTION(utime, 0, Follow::yes, -1)
PATH_FUNCTION(utimes, 0, Follow::yes, -1)
PATH_FUNCTION(lutimes, 0, Follow::no, -1)
PATH_FUNCTION(statvfs, 0, Follow::yes, -1)
PATH_FUNCTION(statvfs64, 0, Follow::yes, -1)
PATH_FUNCTION(pathconf, 0, Follow::yes, -1)
PATH_FUNCTION(revoke, 0, Follow::yes, -1)
FOPEN(fopen)
FOPEN(fopen64)
PATH_FUNCTION(freopen, 0, Follow::yes, 0)
PATH_FUNCTION(freopen64, 0, Follow::yes, 0)
EXPORT long opendir(long path) {
  if (!active()) return NEXT("opendir")(path, 0, 0, 0, 0, 0);
  constexpr long kNonBlock = 04000;
  const long fd = open_at(NEXT("open"), false, kCwd, path, kReadOnly | kNonBlock | kDirectory | kCloseOnExec, 0);
  if (fd < 0) return 0;
  const long stream = NEXT("fdopendir")(fd, 0, 0, 0, 0, 0);
  if (!stream) sys::close(static_cast<int>(fd));
  return stream;
}
PATH_FUNCTION(scandir, 0, Follow::yes, -1)
PATH_FUNCTION(scandir64, 0, Follow::yes, -1)
PATH_FUNCTION(__setmntent, 0, Follow::yes, 0)
PATH_FUNCTION(setmntent, 0, Follow::yes, 0)
PATH_FUNCTION(utmpname, 0, Follow::yes, -1)
PATH_FUNCTION(utmpxname, 0, Follow::yes, -1)
PATH_FUNCTION(ftok, 0, Follow::yes, -1)
PATH_FUNCTION(quotactl, 1, Follow::yes, -1)

EXPORT long futimesat(long dir, long path, long times) {
  MAP_OR(dir, path, Follow::yes, Guess::no, { return fail(mapped_error); })
  return NEXT("futimesat")(m.dir, word(for_libc(m)), times, 0, 0, 0);
}
EXPORT long scandirat(long dir, long path, long list, long filter, long compare) {
  MAP_OR(dir, path, Follow::yes, Guess::no, { return fail(mapped_error); })
  return NEXT("scandirat")(m.dir, word(for_libc(m)), list, filter, compare, 0);
}
EXPORT long scandirat64(long dir, long path, long list, long filter, long compare) {
  MAP_OR(dir, path, Follow::yes, Guess::no, { return fail(mapped_error); })
  return NEXT("scandirat64")(m.dir, word(for_libc(m)), list, filter, compare, 0);
}

namespace {

// The descriptor of ROOT is not the program's: closing it succeeds and does nothing.
bool is_ours(long fd) { return state.view && static_cast<int>(fd) == state.root_fd && state.root_fd >= 0; }

long close_fd(long fd) { return is_ours(fd) ? 0 : as_int(NEXT("close")(fd, 0, 0, 0, 0, 0)); }

// dup2 and dup3 to our number: ours moves away, or is given up where memory is shared with another process.
template <class Replace>
long replace_fd(long fd, Replace replace) {
  if (is_ours(fd)) {
    const bool alone = sys::call(__NR_getpid) == state.first_pid;
    const int moved = alone ? static_cast<int>(sys::call(__NR_fcntl, fd, 0 /* F_DUPFD */, fd + 1)) : -1;
    __atomic_store_n(&state.root_fd, moved >= 0 ? moved : -1, __ATOMIC_RELAXED);
  }
  return c_result(replace());
}

long close_fds(long first, long last, long flags) {
  const auto from = static_cast<uint32_t>(first), to = static_cast<uint32_t>(last);
  const auto raw = [&](uint32_t a, uint32_t b) { return sys::call(__NR_close_range, a, b, flags); };
  if (!state.view || state.root_fd < 0 || from > to) return c_result(raw(from, to));
  const auto ours = static_cast<uint32_t>(state.root_fd);
  if (ours < from || ours > to) return c_result(raw(from, to));
  long result = 0;
  if (from < ours) result = raw(from, ours - 1);
  if (result >= 0 && to > ours) result = raw(ours + 1, to);
  return c_result(result);
}

}  // namespace

// To the program it is not open.
EXPORT long fstat(long fd, long out) { return is_ours(fd) ? fail(EBADF) : c_result(sys::call(__NR_fstat, fd, out)); }
EXPORT long fstat64(long fd, long out) { return fstat(fd, out); }
EXPORT long __fxstat(long, long fd, long out) { return fstat(fd, out); }
EXPORT long __fxstat64(long, long fd, long out) { return fstat(fd, out); }
EXPORT long fcntl(long fd, long command, long value) {
  return is_ours(fd) ? fail(EBADF) : as_int(NEXT("fcntl")(fd, command, value, 0, 0, 0));
}
EXPORT long fcntl64(long fd, long command, long value) {
  return is_ours(fd) ? fail(EBADF) : as_int(NEXT("fcntl64")(fd, command, value, 0, 0, 0));
}
EXPORT long close(long fd) { return close_fd(fd); }
EXPORT long __close(long fd) { return close_fd(fd); }
EXPORT long dup2(long from, long to) {
  return replace_fd(to, [&] { return from == to ? sys::call(__NR_fcntl, from, 1) < 0 ? -EBADF : to : sys::call(__NR_dup3, from, to, 0); });
}
EXPORT long __dup2(long from, long to) { return dup2(from, to); }
EXPORT long dup3(long from, long to, long flags) { return replace_fd(to, [&] { return sys::call(__NR_dup3, from, to, flags); }); }
EXPORT long close_range(long first, long last, long flags) { return close_fds(first, last, flags); }
EXPORT void closefrom(long first) {
  if (close_fds(first < 0 ? 0 : first, 0xffffffff, 0) >= 0) return;
  __atomic_store_n(&state.root_fd, -1, __ATOMIC_RELAXED);
  NEXT("closefrom")(first, 0, 0, 0, 0, 0);
}

// What the program asks of the kernel directly, when it does so through the libc.
EXPORT long syscall(long number, long a, long b, long c, long d, long e, long f) {
  const guest::Row* row = active() ? guest::find_row(guest::kNativeAbi, number) : nullptr;
  const bool of_descriptors = number == __NR_close || number == __NR_close_range || number == __NR_dup3
#if defined(__NR_dup2)
                              || number == __NR_dup2
#endif
      ;
  if (!state.view || (row && row->op == guest::Op::pass && !of_descriptors)) return seven(NEXT("syscall"), number, a, b, c, d, e, f);
  switch (number) {
    case __NR_close: return close_fd(a);
    case __NR_close_range: return close_fds(a, b, c);
#if defined(__NR_dup2)
    case __NR_dup2: return replace_fd(b, [&] { return sys::call(__NR_dup2, a, b); });
#endif
    case __NR_dup3: return replace_fd(b, [&] { return sys::call(__NR_dup3, a, b, c); });
    default: break;
  }
  switch (row ? row->op : guest::Op::refuse) {
    case guest::Op::clone:
    case guest::Op::ptrace:
    case guest::Op::wait:
    case guest::Op::seccomp:
      return seven(NEXT("syscall"), number, a, b, c, d, e, f);
    case guest::Op::exec:
      if (number == __NR_execve) return exec_file(sys::kAtCwd, pointer<const char*>(a), pointer<char**>(b), pointer<char**>(c), 0);
      return exec_file(static_cast<int>(a), pointer<const char*>(b), pointer<char**>(c), pointer<char**>(d), static_cast<int>(e));
    default:
      return c_result(emulate(number, a, b, c, d, e, f));
  }
}

}  // namespace udocker::preload
