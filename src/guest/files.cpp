// open, stat and their like: calls that find a file and tell or open it.
#include "guest/parts.hpp"

namespace udocker::guest {

namespace {

// open flags that differ between architectures are taken from the kernel's headers' values.
#if defined(__aarch64__)
constexpr uint32_t kODirectory = 040000, kONoFollow = 0100000;
#else
constexpr uint32_t kODirectory = 0200000, kONoFollow = 0400000;
#endif
constexpr uint32_t kOWrite = 1, kOReadWrite = 2, kOAccess = 3, kOCreate = 0100, kOExclusive = 0200, kOTruncate = 01000,
                   kOPath = 010000000, kOTemporary = 020000000;

constexpr uint32_t kOwnerFile = 0600, kOwnerDirectory = 0700;

Follow follow_of_open(uint32_t flags) {
  bool exclusive = (flags & kOCreate) && (flags & kOExclusive);
  return (flags & kONoFollow) || exclusive ? Follow::no : Follow::yes;
}

bool changes(uint32_t flags) {
  if (flags & kOPath) return false;
  return (flags & kOAccess) != 0 || (flags & (kOTruncate | kOTemporary));
}

// The part common to open, openat and openat2, after the path was taken. mode_arg: number of the argument that holds
// the mode of a new file, -1: none.
void open_path(const Step& step, int directory, uint32_t flags, int mode_arg) {
  Task& task = step.task;
  bool creates = (flags & kOCreate) && !(flags & kOPath);
  Follow follow = follow_of_open(flags);
  bool root = step.fake_root();
  bool needs_look = (step.view().has(kHasReadOnly) && (creates || changes(flags))) || (creates && step.fake());
  if (!needs_look && !root && plain_name(step, directory, task.input, follow)) return;
  if (!needs_look && root && follow == Follow::no && plain_name(step, directory, task.input, follow)) return;
  Resolved& found = task.first;
  if (!map_path(step, directory, task.input, root ? Follow::no : follow, found)) return;
  sys::Stat stat;
  bool exists = true;
  if (root) {
    long result = sys::lstat(found.host.c_str(), &stat);
    if (result == 0 && (stat.mode & sys::kTypeMask) == sys::kTypeLink && follow == Follow::yes &&
        found.magic == Magic::none) {
      if (!map_path(step, directory, task.input, Follow::yes, found)) return;
      result = sys::lstat(found.host.c_str(), &stat);
    }
    exists = result == 0;
    if (exists) found.type = stat.mode & sys::kTypeMask;
    if (exists && found.magic == Magic::none) lift_file(step, found.host, stat);
    if (!exists && creates) lift_directory(step, found.host);
  } else if (creates) {
    exists = sys::lstat(found.host.c_str(), &stat) == 0;
  }
  if (found.read_only() && (changes(flags) || (creates && !exists))) return step.answer(-EROFS);
  if (found.magic != Magic::none && !(flags & kOPath)) {
    long fd = proc_content(step, found);
    if (fd >= 0) {
      found.host.assign("/proc/");
      found.host.append_number(task.engine_pid ? static_cast<uint64_t>(task.engine_pid) : pid_of(task.place));
      found.host.append("/fd/");
      found.host.append_number(static_cast<uint64_t>(fd));
      step.decision.extra_fd = static_cast<int>(fd);
    }
  }
  step.put_path(step.row.path, found.host);
  if (creates && !exists && step.fake() && mode_arg >= 0) {
    auto mode = static_cast<uint32_t>(step.call.arg[mode_arg]);
    uint32_t forced = kOwnerFile & ~mode;
    if (forced) step.set_argument(mode_arg, mode | forced);
    plan_created(step, found.host, forced);
  }
}

struct OpenHow {
  uint64_t flags, mode, resolve;
};

constexpr uint64_t kNoXdev = 1, kNoMagic = 2, kNoLinks = 4, kBeneath = 8, kInRoot = 16;

// The 32-bit layouts of struct stat and stat64.
struct Stat32 {
  uint32_t dev, ino;
  uint16_t mode, nlink, uid, gid;
  uint32_t rdev, size, blksize, blocks, atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns, unused[2];
};

struct __attribute__((packed)) Stat64Of32 {
  uint64_t dev;
  uint8_t pad0[4];
  uint32_t old_ino, mode, nlink, uid, gid;
  uint64_t rdev;
  uint8_t pad3[4];
  uint64_t size;
  uint32_t blksize;
  uint64_t blocks;
  uint32_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
  uint64_t ino;
};

template <class Out>
void copy_common(const sys::Stat& in, Out& out) {
  out.mode = static_cast<decltype(out.mode)>(in.mode);
  out.nlink = static_cast<decltype(out.nlink)>(in.nlink);
  out.uid = static_cast<decltype(out.uid)>(in.uid);
  out.gid = static_cast<decltype(out.gid)>(in.gid);
  out.rdev = static_cast<decltype(out.rdev)>(in.rdev);
  out.size = static_cast<decltype(out.size)>(in.size);
  out.blksize = static_cast<uint32_t>(in.blksize);
  out.blocks = static_cast<decltype(out.blocks)>(in.blocks);
  out.atime = static_cast<uint32_t>(in.atime);
  out.atime_ns = static_cast<uint32_t>(in.atime_ns);
  out.mtime = static_cast<uint32_t>(in.mtime);
  out.mtime_ns = static_cast<uint32_t>(in.mtime_ns);
  out.ctime = static_cast<uint32_t>(in.ctime);
  out.ctime_ns = static_cast<uint32_t>(in.ctime_ns);
}

void give_stat(const Step& step, uint64_t address, const sys::Stat& stat) {
  if (step.call.abi != Abi::i386) return step.give(address, &stat, sizeof stat);
  if (step.row.detail == 1) {
    Stat64Of32 out{};
    copy_common(stat, out);
    out.dev = stat.dev;
    out.ino = stat.ino;
    out.old_ino = static_cast<uint32_t>(stat.ino);
    return step.give(address, &out, sizeof out);
  }
  Stat32 out{};
  copy_common(stat, out);
  out.dev = static_cast<uint32_t>(stat.dev);
  out.ino = static_cast<uint32_t>(stat.ino);
  step.give(address, &out, sizeof out);
}

// A descriptor of the program as a path for our own calls; true when it must be used with AT_EMPTY_PATH in-process.
void descriptor_path(const Step& step, int descriptor, HostPath& out) {
  proc_prefix(step.task.place, out);
  if (descriptor == sys::kAtCwd) {
    out.append("/cwd");
  } else {
    out.append("/fd/");
    out.append_number(static_cast<uint64_t>(descriptor));
  }
}

bool ends_with(Text text, Text end) { return text.size >= end.size && text.from(text.size - end.size) == end; }

bool is_link(const sys::Stat& stat) { return (stat.mode & sys::kTypeMask) == sys::kTypeLink; }

// What a look-up by path and flags arrives at, for our own call: (out.host, returned flags). False: answered.
bool locate(const Step& step, int directory, Follow follow, Resolved& found, int& flags) {
  Task& task = step.task;
  flags = sys::kNoFollow;
  if (!task.place.self && follow == Follow::no && plain_name(step, directory, task.input, Follow::no) &&
      !(task.input.text() == ".") && directory >= sys::kAtCwd) {
    found.magic = Magic::none;
    found.mount = nullptr;
    descriptor_path(step, directory, found.host);
    found.host.append("/");
    found.host.append(task.input.text());
    return true;
  }
  if (!map_path(step, directory, task.input, follow, found)) return false;
  if (found.magic == Magic::fd && follow == Follow::yes) flags = 0;
  if (found.trailing) flags = 0;
  return true;
}

}  // namespace

void do_open(const Step& step) {
  constexpr int kFlagsAt[] = {1, -1, 2};
  int flags_at = kFlagsAt[step.row.detail];
  uint32_t flags = flags_at < 0 ? kOCreate | kOWrite | kOTruncate : static_cast<uint32_t>(step.call.arg[flags_at]);
  if (take_path(step, step.row.path, step.task.input) != Taken::path) return;
  open_path(step, directory_of(step, step.row.dir), flags, flags_at + 1 + (flags_at < 0 ? 1 : 0));
}

void do_openat2(const Step& step) {
  Task& task = step.task;
  auto& how = *reinterpret_cast<OpenHow*>(task.small);
  if (step.call.arg[3] < sizeof how) return;  // the kernel's own EINVAL
  if (step.call.arg[3] > sizeof how) return step.answer(-E2BIG);
  long result = task.memory->read(step.call.arg[2], &how, sizeof how);
  if (result < 0) return step.answer(result);
  if (take_path(step, 1, task.input) != Taken::path) return;
  // Confined to the descriptor's own tree, the kernel's walk cannot leave the view.
  if (how.resolve & (kBeneath | kInRoot)) return;
  auto flags = static_cast<uint32_t>(how.flags);
  int directory = directory_of(step, 0);
  if (how.resolve & kNoLinks) {
    HostPath& plain = task.text;
    Shared* cache = task.place.shared;  // a cached directory hides the links on its way
    task.place.shared = nullptr;
    bool mapped = map_path(step, directory, task.input, Follow::no, task.first);
    task.place.shared = cache;
    if (!mapped) return;
    if (task.first.walked_links) return step.answer(-ELOOP);
    plain.assign(task.first.host.text());
    how.resolve &= ~kNoLinks;
    char byte[1];
    if (sys::readlink(plain.c_str(), byte, 1) >= 0 && !((flags & kOPath) && (flags & kONoFollow)))
      return step.answer(-ELOOP);
  }
  how.resolve &= ~(kNoXdev | (task.first.magic == Magic::none ? kNoMagic : 0));
  open_path(step, directory, flags, -1);
  if (step.decision.action != Action::answer) step.put(2, &how, sizeof how);
}

namespace {

// In the process itself a name without slashes needs no look at the way to it. False: it is a link to follow, or the
// emulated owner may see more than the kernel lets us.
bool stat_name(const Step& step, int directory, Follow follow, sys::Stat& stat, long& result) {
  Task& task = step.task;
  if (!task.place.self || !plain_name(step, directory, task.input, Follow::no)) return false;
  result = sys::fstatat(directory, task.input.c_str(), &stat, sys::kNoFollow);
  if (result == -EACCES && step.fake_root()) return false;
  return result != 0 || follow == Follow::no || !is_link(stat);
}

}  // namespace

void do_stat(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  uint64_t out = step.call.arg[step.row.path + 1];
  Taken taken = take_path(step, step.row.path, task.input);
  if (taken == Taken::answered) return;
  sys::Stat stat;
  if (taken == Taken::descriptor) {
    if (!step.fake()) return;
    if (task.place.self) {
      long result = sys::fstatat(directory, "", &stat, sys::kEmptyPath);
      if (result < 0) return step.answer(result);
      show_owner(step, directory, "", sys::kEmptyPath, stat);
      return give_stat(step, out, stat);
    }
    descriptor_path(step, directory, task.text);
    long result = sys::fstatat(sys::kAtCwd, task.text.c_str(), &stat, 0);
    if (result < 0) return step.answer(result == -ENOENT ? -EBADF : result);
    show_owner(step, sys::kAtCwd, task.text.c_str(), 0, stat);
    return give_stat(step, out, stat);
  }
  Follow follow = follow_of(step);
  if (!step.fake() && follow == Follow::no && plain_name(step, directory, task.input, follow)) return;
  long result;
  if (stat_name(step, directory, follow, stat, result)) {
    if (result < 0) return step.answer(result);
    show_owner(step, directory, task.input.c_str(), sys::kNoFollow, stat);
    return give_stat(step, out, stat);
  }
  int flags;
  Resolved& found = task.first;
  if (!locate(step, directory, Follow::no, found, flags)) return;
  HostName host = name_of(task.place, found);
  result = sys::fstatat(host.directory, host.path, &stat, flags);
  if (result == 0 && follow == Follow::yes && is_link(stat)) {
    if (!locate(step, directory, Follow::yes, found, flags)) return;
    host = name_of(task.place, found);
    result = sys::fstatat(host.directory, host.path, &stat, flags);
  }
  if (result < 0) return step.answer(result);
  show_owner(step, host.directory, host.path, flags, stat);
  if (uint32_t links = kept_links(step, found.host)) stat.nlink = links;
  give_stat(step, out, stat);
}

void do_fstat(const Step& step) {
  Task& task = step.task;
  int descriptor = step.argument(0);
  sys::Stat stat;
  long result;
  if (task.place.self) {
    result = sys::fstatat(descriptor, "", &stat, sys::kEmptyPath);
  } else {
    descriptor_path(step, descriptor, task.text);
    result = sys::fstatat(sys::kAtCwd, task.text.c_str(), &stat, 0);
    if (result == -ENOENT) result = -EBADF;
  }
  if (result < 0) return step.answer(result);
  if (task.place.self) {
    show_owner(step, descriptor, "", sys::kEmptyPath, stat);
  } else {
    show_owner(step, sys::kAtCwd, task.text.c_str(), 0, stat);
  }
  give_stat(step, step.call.arg[1], stat);
}

namespace {

struct Statx {
  uint32_t mask, blksize;
  uint64_t attributes;
  uint32_t nlink, uid, gid;
  uint16_t mode, pad;
  uint64_t ino, size, blocks, attributes_mask;
  char times[64];
  uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  char rest[112];
};
static_assert(sizeof(Statx) == 256);

constexpr uint64_t make_dev(uint64_t major, uint64_t minor) {
  return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~uint64_t{0xff}) << 12) | ((major & ~uint64_t{0xfff}) << 32);
}
constexpr uint32_t major_of(uint64_t dev) {
  return static_cast<uint32_t>(((dev >> 8) & 0xfff) | ((dev >> 32) & ~uint64_t{0xfff}));
}
constexpr uint32_t minor_of(uint64_t dev) { return static_cast<uint32_t>((dev & 0xff) | ((dev >> 12) & ~uint64_t{0xff})); }

void show_statx(const Step& step, HostName host, int flags, Statx& statx) {
  sys::Stat stat{};
  stat.dev = make_dev(statx.dev_major, statx.dev_minor);
  stat.ino = statx.ino;
  stat.mode = statx.mode;
  stat.uid = statx.uid;
  stat.gid = statx.gid;
  stat.rdev = make_dev(statx.rdev_major, statx.rdev_minor);
  show_owner(step, host.directory, host.path, flags, stat);
  statx.mode = static_cast<uint16_t>(stat.mode);
  statx.uid = stat.uid;
  statx.gid = stat.gid;
  statx.rdev_major = major_of(stat.rdev);
  statx.rdev_minor = minor_of(stat.rdev);
}

}  // namespace

void do_statx(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, 0);
  Taken taken = take_path(step, 1, task.input);
  if (taken == Taken::answered) return;
  uint32_t at = at_flags(step);
  int flags = 0;
  auto& statx = *reinterpret_cast<Statx*>(task.small);
  Resolved& found = task.first;
  Follow follow = follow_of(step);
  HostName host{directory, ""};
  bool plain = false;
  if (taken == Taken::descriptor) {
    if (!step.fake()) return;
    if (task.place.self && !step.view().has(kLinkToSymlink)) {
      flags = sys::kEmptyPath;
    } else {
      descriptor_path(step, directory, found.host);
      host = {sys::kAtCwd, found.host.c_str()};
    }
  } else {
    if (!step.fake() && follow == Follow::no && plain_name(step, directory, task.input, follow)) return;
    plain = task.place.self && plain_name(step, directory, task.input, Follow::no);
    if (plain) {
      host.path = task.input.c_str();
      flags = sys::kNoFollow;
    } else {
      if (!locate(step, directory, Follow::no, found, flags)) return;
      host = name_of(task.place, found);
    }
  }
  auto ask = [&] {
    constexpr int kStatx = kNativeAbi == Abi::x86_64 ? 332 : 291;
    constexpr uint32_t kSync = 0x6000;
    return sys::call(kStatx, host.directory, sys::address(host.path), flags | static_cast<int>(at & kSync),
                     static_cast<long>(static_cast<uint32_t>(step.call.arg[3])), sys::address(&statx));
  };
  long result = ask();
  bool link = result == 0 && (statx.mode & sys::kTypeMask) == sys::kTypeLink;
  bool lift = plain && result == -EACCES && step.fake_root();
  if (taken == Taken::path && ((link && follow == Follow::yes) || lift)) {
    if (!locate(step, directory, follow, found, flags)) return;
    host = name_of(task.place, found);
    result = ask();
  }
  if (result < 0) return step.answer(taken == Taken::descriptor && result == -ENOENT ? -EBADF : result);
  show_statx(step, host, flags, statx);
  if (uint32_t links = kept_links(step, found.host)) statx.nlink = links;
  step.give(step.call.arg[4], &statx, sizeof statx);
}

void do_access(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  Taken taken = take_path(step, step.row.path, task.input);
  if (taken == Taken::answered) return;
  if (taken == Taken::descriptor) return;
  auto mode = static_cast<uint32_t>(step.call.arg[step.row.path + 1]);
  Follow follow = follow_of(step);
  bool read_only = (mode & 2) && step.view().has(kHasReadOnly);
  if (!step.fake() && !read_only && plain_name(step, directory, task.input, follow)) return;
  Resolved& found = task.first;
  // Whether a file of ours is there and can be read needs no second look at what is not a link.
  if (follow == Follow::yes && !(mode & 3)) {
    sys::Stat stat;
    HostName host{directory, task.input.c_str()};
    found.magic = Magic::none;
    if (!task.place.self || !plain_name(step, directory, task.input, Follow::no)) {
      if (!map_path(step, directory, task.input, Follow::no, found)) return;
      host = name_of(task.place, found);
    }
    long result = found.magic == Magic::none ? sys::fstatat(host.directory, host.path, &stat, sys::kNoFollow) : -ELOOP;
    if (result == -ENOENT) return step.answer(result);
    if (result == 0 && !is_link(stat) && (!(mode & 4) || (stat.uid == step.view().host_uid && (stat.mode & 0400)))) return step.answer(0);
  }
  if (!map_path(step, directory, task.input, follow, found)) return;
  if (read_only && found.read_only()) return step.answer(-EROFS);
  constexpr int kFaccessat2 = 439;
  HostName host = name_of(task.place, found);
  long result = follow == Follow::no
                    ? sys::call(kFaccessat2, host.directory, sys::address(host.path), static_cast<long>(mode), sys::kNoFollow)
                    : sys::call(__NR_faccessat, host.directory, sys::address(host.path), static_cast<long>(mode));
  if (result == -EACCES && step.fake_root()) {
    sys::Stat stat;
    if (sys::fstatat(host.directory, host.path, &stat, 0) == 0 && stat.uid == step.view().host_uid) {
      bool directory_found = (stat.mode & sys::kTypeMask) == sys::kTypeDir;
      if (!(mode & 1) || directory_found || (stat.mode & 0111)) result = 0;
    }
  }
  step.answer(result);
}

void do_readlink(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  Taken taken = take_path(step, step.row.path, task.input);
  if (taken != Taken::path) return;
  if (!step.view().has(kHostLinks) && plain_name(step, directory, task.input, Follow::no)) {
    // The names in /proc/PID that need mapping are few.
    Text name = task.input.text();
    bool in_proc = name == "exe" || name == "cwd" || name == "root" || (name[0] >= '0' && name[0] <= '9');
    if (!in_proc) return;
  }
  Resolved& found = task.first;
  if (!map_path(step, directory, task.input, Follow::no, found)) return;
  uint64_t out = step.call.arg[step.row.path + 1];
  auto room = static_cast<long>(step.call.arg[step.row.path + 2]);
  if (room <= 0) return step.answer(-EINVAL);
  Text proc_name = task.input.text();
  GuestPath& shown = task.input2;
  bool thread = ends_with(proc_name, "/thread-self");
  if ((found.mount->flags & kMountProc) && (thread || ends_with(proc_name, "/self"))) {
    shown.clear();
    shown.append_number(pid_of(task.place));
    if (thread) {
      shown.append("/task/");
      shown.append_number(tid_of(task.place));
    }
  } else if (found.magic == Magic::root) {
    shown.assign(task.place.root);
  } else if (found.magic != Magic::exe || !task.place.program_of ||
             !task.place.program_of(task.place.context, found.magic_pid, shown)) {
    HostName host = name_of(task.place, found);
    long size = sys::readlinkat(host.directory, host.path, task.text.buffer(), kPathMax - 1);
    if (size < 0) return step.answer(size);
    task.text.set_size(static_cast<size_t>(size));
    if (found.magic == Magic::none) {
      shown.assign(without_root(step.view(), task.text.text()));
    } else {
      link_text_to_guest(task.place, task.text, shown);
    }
  }
  size_t size = shown.size() < static_cast<size_t>(room) ? shown.size() : static_cast<size_t>(room);
  step.give(out, shown.c_str(), size, static_cast<long>(size));
}

void do_getcwd(const Step& step) {
  Task& task = step.task;
  long result = host_of_descriptor(task.place, sys::kAtCwd, task.text);
  if (result < 0) return step.answer(result);
  constexpr char kDeleted[] = " (deleted)";
  Text text = task.text.text(), mark(kDeleted);
  sys::Stat stat;
  if (text.size > mark.size && text.from(text.size - mark.size) == mark && sys::lstat(task.text.c_str(), &stat) < 0)
    return step.answer(-ENOENT);
  GuestPath& shown = task.input;
  link_text_to_guest(task.place, task.text, shown);
  if (shown.size() + 1 > step.call.arg[1]) return step.answer(-ERANGE);
  step.give(step.call.arg[0], shown.c_str(), shown.size() + 1, static_cast<long>(shown.size() + 1));
}

void do_chroot(const Step& step) {
  Task& task = step.task;
  if (take_path(step, 0, task.input) != Taken::path) return;
  if (!map_path(step, sys::kAtCwd, task.input, Follow::yes, task.first)) return;
  sys::Stat stat;
  long result = sys::fstatat(sys::kAtCwd, task.first.host.c_str(), &stat, 0);
  if (result < 0) return step.answer(result);
  if ((stat.mode & sys::kTypeMask) != sys::kTypeDir) return step.answer(-ENOTDIR);
  if (!task.chroot_to || !step.fake_root()) return step.answer(-EPERM);
  task.chroot_to->assign(task.first.guest.text());
  step.answer(0);
}

void do_exec(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  Taken taken = take_path(step, step.row.path, task.input);
  if (taken == Taken::answered) return;
  long result = plan_exec(task.place, task.work, task.first, task.owners, directory, task.input.text(), follow_of(step),
                          taken == Taken::descriptor, task.plan);
  if (result < 0) return step.answer(result);
  step.decision.action = Action::exec;
}

void link_text_to_guest(const Place& place, HostPath& text, GuestPath& out) {
  out.assign(text.text());
  if (text.empty() || text.c_str()[0] != '/') return;
  constexpr char kDeleted[] = " (deleted)";
  Text mark(kDeleted), host = text.text();
  bool deleted = host.size > mark.size && host.from(host.size - mark.size) == mark;
  if (deleted) {
    sys::Stat stat;
    deleted = sys::lstat(text.c_str(), &stat) < 0;
  }
  if (deleted) host.size -= mark.size;
  if (!host_to_guest(*place.view, host, out)) {
    out.assign(text.text());
    return;
  }
  if (place.root.size > 1 && contains_path(place.root, out.text())) {
    // Seen from a changed root.
    size_t skip = place.root.size;
    size_t rest = out.size() - skip;
    char* buffer = out.buffer();
    for (size_t i = 0; i < rest; ++i) buffer[i] = buffer[skip + i];
    out.set_size(rest);
    if (rest == 0) out.assign("/");
  }
  if (deleted) out.append(mark);
}

}  // namespace udocker::guest
