#include "host/mounts.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

// <sys/mount.h> and <linux/mount.h> cannot be included together with every libc; these calls are all we need of it.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*);
extern "C" int umount2(const char*, int);

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif

namespace udocker::host {
namespace {

constexpr unsigned long kAtimeFlags = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;

struct FlagName {
  const char* name;
  unsigned long set, clear;
  std::uint64_t recursive;  // MOUNT_ATTR_ flag of the "r" form, 0: there is none
};
constexpr FlagName kFlags[] = {
    {"ro", MS_RDONLY, 0, MOUNT_ATTR_RDONLY},
    {"rw", 0, MS_RDONLY, MOUNT_ATTR_RDONLY},
    {"nosuid", MS_NOSUID, 0, MOUNT_ATTR_NOSUID},
    {"suid", 0, MS_NOSUID, MOUNT_ATTR_NOSUID},
    {"nodev", MS_NODEV, 0, MOUNT_ATTR_NODEV},
    {"dev", 0, MS_NODEV, MOUNT_ATTR_NODEV},
    {"noexec", MS_NOEXEC, 0, MOUNT_ATTR_NOEXEC},
    {"exec", 0, MS_NOEXEC, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MS_NODIRATIME, 0, MOUNT_ATTR_NODIRATIME},
    {"diratime", 0, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME},
    {"relatime", MS_RELATIME, 0, MOUNT_ATTR_RELATIME},
    {"norelatime", 0, MS_RELATIME, 0},
    {"noatime", MS_NOATIME, 0, MOUNT_ATTR_NOATIME},
    {"atime", 0, MS_NOATIME, MOUNT_ATTR_NOATIME},
    {"strictatime", MS_STRICTATIME, 0, MOUNT_ATTR_STRICTATIME},
    {"nostrictatime", 0, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME},
    {"nosymfollow", 256, 0, 0x00200000},
    {"symfollow", 0, 256, 0x00200000},
    {"sync", MS_SYNCHRONOUS, 0, 0},
    {"async", 0, MS_SYNCHRONOUS, 0},
    {"dirsync", MS_DIRSYNC, 0, 0},
    {"mand", MS_MANDLOCK, 0, 0},
    {"nomand", 0, MS_MANDLOCK, 0},
    {"silent", MS_SILENT, 0, 0},
    {"loud", 0, MS_SILENT, 0},
    {"iversion", MS_I_VERSION, 0, 0},
    {"noiversion", 0, MS_I_VERSION, 0},
    {"remount", MS_REMOUNT, 0, 0},
    {"defaults", 0, 0, 0},
};

struct PropagationName {
  const char* name;
  unsigned long flags;
};
constexpr PropagationName kPropagation[] = {
    {"private", MS_PRIVATE},
    {"rprivate", MS_PRIVATE | MS_REC},
    {"slave", MS_SLAVE},
    {"rslave", MS_SLAVE | MS_REC},
    {"shared", MS_SHARED},
    {"rshared", MS_SHARED | MS_REC},
    {"unbindable", MS_UNBINDABLE},
    {"runbindable", MS_UNBINDABLE | MS_REC},
};

bool apply_flag(MountOptions& out, const std::string& word) {
  for (const auto& row : kFlags)
    if (word == row.name) {
      out.flags = (out.flags & ~row.clear) | row.set;
      out.cleared = (out.cleared & ~row.set) | row.clear;
      return true;
    }
  for (const auto& row : kPropagation)
    if (word == row.name) return out.propagation.push_back(row.flags), true;
  if (word.size() < 2 || word[0] != 'r') return false;
  for (const auto& row : kFlags)
    if (row.recursive && std::string_view(word).substr(1) == row.name) {
      std::uint64_t mask = row.recursive & MOUNT_ATTR__ATIME ? std::uint64_t{MOUNT_ATTR__ATIME} : row.recursive;
      if (row.set) out.recursive_set |= row.recursive;
      if (row.clear || (mask & MOUNT_ATTR__ATIME)) out.recursive_clear |= mask;
      return true;
    }
  return false;
}

// What openat2 does, for kernels before 5.6: `above` is the way back for "..", which never passes the root.
int walk_in_root(int root, const std::string& path, int flags) {
  UniqueFd at(::openat(root, ".", O_PATH | O_CLOEXEC));
  if (!at) return -errno;
  std::vector<UniqueFd> above;
  std::vector<std::string> todo;
  auto push = [&](std::string_view text) {
    auto parts = split(text, '/');
    for (std::size_t i = parts.size(); i-- > 0;)
      if (!parts[i].empty() && parts[i] != ".") todo.push_back(parts[i]);
  };
  push(path);
  for (int links = 0; !todo.empty();) {
    std::string name = std::move(todo.back());
    todo.pop_back();
    if (name == "..") {
      if (!above.empty()) at = std::move(above.back()), above.pop_back();
      continue;
    }
    UniqueFd next(::openat(at.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return -errno;
    struct stat info {};
    if (::fstat(next.get(), &info) != 0) return -errno;
    bool follow = !todo.empty() || !(flags & O_NOFOLLOW);
    if (S_ISLNK(info.st_mode) && follow) {
      if (++links > 40) return -ELOOP;
      char target[4096];
      ssize_t size = ::readlinkat(next.get(), "", target, sizeof target);
      if (size < 0) return -errno;
      if (size > 0 && target[0] == '/') {
        above.clear();
        at.reset(::openat(root, ".", O_PATH | O_CLOEXEC));
      }
      push({target, static_cast<std::size_t>(size)});
      continue;
    }
    above.push_back(std::move(at));
    at = std::move(next);
  }
  if (flags & O_PATH) return at.release();
  int out = ::open(fd_path(at.get()).c_str(), (flags & ~O_NOFOLLOW) | O_CLOEXEC);
  return out < 0 ? -errno : out;
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& options) {
  MountOptions out;
  for (const auto& word : options) {
    if (word == "bind") out.bind = true;
    else if (word == "rbind") out.bind = out.recursive = true;
    else if (word == "idmap") out.idmap = true;
    else if (word == "ridmap") out.idmap = out.recursive_idmap = true;
    else if (word == "tmpcopyup") out.copy_up = true;
    else if (!apply_flag(out, word)) out.data += cat(out.data.empty() ? "" : ",", word);
  }
  return out;
}

std::vector<std::string> known_mount_options() {
  std::vector<std::string> out = {"bind", "rbind", "idmap", "ridmap", "tmpcopyup"};
  for (const auto& row : kFlags) {
    out.emplace_back(row.name);
    if (row.recursive) out.push_back(cat("r", row.name));
  }
  for (const auto& row : kPropagation) out.emplace_back(row.name);
  return out;
}

std::string fd_path(int fd) { return cat("/proc/self/fd/", fd); }

int try_open_in_root(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0; tries < 64; ++tries) {
    long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == EAGAIN || errno == EINTR) continue;  // something on the way was renamed
    if (errno != ENOSYS && errno != EPERM) return -errno;
    break;  // an old kernel, or a container's seccomp filter that does not know the call
  }
  return walk_in_root(root, path, flags);
}

UniqueFd open_in_root(int root, const std::string& path, int flags) {
  int fd = try_open_in_root(root, path, flags);
  if (fd < 0) throw SystemError("open in the container", path, -fd);
  return UniqueFd(fd);
}

void mount_at(const std::string& source, int target, std::string_view shown, const std::string& type,
              unsigned long flags, const std::string& data) {
  if (::mount(source.c_str(), fd_path(target).c_str(), type.empty() ? nullptr : type.c_str(), flags,
              data.empty() ? nullptr : data.c_str()) == 0)
    return;
  int saved = errno;
  throw SystemError(cat("mount ", type.empty() || (flags & MS_BIND) ? source : type, " on"), shown, saved);
}

void set_propagation(int target, std::string_view shown, unsigned long flags) {
  if (::mount(nullptr, fd_path(target).c_str(), nullptr, flags, nullptr) != 0) throw_errno("set the propagation of", shown);
}

void change_flags(int mount_fd, std::string_view shown, unsigned long set, unsigned long clear) {
  constexpr unsigned long kSame = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;  // equal in both numberings
  if (!((set | clear) & ~kSame)) {
    mount_attr attributes{};
    attributes.attr_set = set;
    attributes.attr_clr = clear;
    if (::syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0) return;
    if (errno == EPERM && clear && !set) return;  // locked flags stay; asking to lift them is no error
    if (errno != ENOSYS && errno != EPERM && errno != EINVAL) throw_errno("set flags of mount", shown);
  }
  struct statfs info {};
  unsigned long keep = 0;
  if (::fstatfs(mount_fd, &info) == 0) {
    keep = static_cast<unsigned long>(info.f_flags) & (kSame | MS_NOATIME | MS_NODIRATIME | 256);
    if (info.f_flags & 4096) keep |= MS_RELATIME;  // ST_RELATIME
  }
  if (set & kAtimeFlags) keep &= ~kAtimeFlags;
  std::string path = fd_path(mount_fd);
  unsigned long base = MS_REMOUNT | MS_BIND;
  if (::mount(nullptr, path.c_str(), nullptr, base | set | (keep & ~clear), nullptr) == 0) return;
  if (errno == EPERM && ::mount(nullptr, path.c_str(), nullptr, base | set | keep, nullptr) == 0) return;
  // The way access times are kept is locked too in a user namespace; what matters more is applied without it.
  constexpr unsigned long kTimes = kAtimeFlags | MS_NODIRATIME;
  if (errno == EPERM && (set & kTimes) && (set & ~kTimes)) return change_flags(mount_fd, shown, set & ~kTimes, clear & ~kTimes);
  if (errno == EPERM && (set & kTimes) && !(set & ~kTimes)) return;
  throw_errno("set flags of mount", shown);
}

void change_flags_recursive(int mount_fd, std::string_view shown, std::uint64_t set, std::uint64_t clear) {
  mount_attr attributes{};
  attributes.attr_set = set;
  attributes.attr_clr = clear;
  if (::syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == 0) return;
  if (errno == ENOSYS) throw NotSupported(cat("mount ", shown, ": recursive options need Linux 5.12 or newer"));
  throw_errno("set flags of all mounts below", shown);
}

UniqueFd open_idmapped(int source, std::string_view shown, int user_namespace, bool recursive) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  UniqueFd tree(static_cast<int>(::syscall(SYS_open_tree, source, "", flags)));
  if (!tree) throw_errno("copy the mount for", shown);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<std::uint64_t>(user_namespace);
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes,
                sizeof attributes) != 0) {
    int saved = errno;
    throw NotSupported(cat("mount ", shown, ": the kernel refused to map its ids (error ", saved, ")"),
                       saved == EPERM ? "only the real root may do this" : "the file system or kernel has no idmapped mounts");
  }
  return tree;
}

void attach_tree(int tree, int target, std::string_view shown) {
  if (::syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    throw_errno("attach the mount on", shown);
}

bool is_mount_type(int fd, long magic) {
  struct statfs info {};
  return ::fstatfs(fd, &info) == 0 && static_cast<long>(info.f_type) == magic;
}

std::vector<std::string> known_filesystems() {
  std::vector<std::string> out;
  for (const auto& line : split(find_file("/proc/filesystems").value_or(""), '\n'))
    if (auto words = split_words(line); !words.empty()) out.push_back(words.back());
  return out;
}

static std::string unescape_octal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      out += text[i];
      continue;
    }
    out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

std::vector<MountEntry> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> out;
  for (const auto& line : split(text, '\n')) {
    auto words = split(line, ' ');
    std::size_t dash = 6;
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (dash + 3 >= words.size()) continue;
    out.push_back({unescape_octal(words[3]), unescape_octal(words[4]), words[dash + 1], words[5],
                   unescape_octal(words[dash + 2]), words[dash + 3]});
  }
  return out;
}

}  // namespace udocker::host
