// Emulated owners and modes: what is shown, what is recorded when files are made, and the bits an emulated root
// would not need.
#include "guest/parts.hpp"

namespace udocker::guest {

namespace {

constexpr uint32_t kSetGid = 02000, kPermissions = 07777;

bool is_directory(uint32_t mode) { return (mode & sys::kTypeMask) == sys::kTypeDir; }

long change_mode(const char* path, uint32_t mode) {
  return sys::call(__NR_fchmodat, sys::kAtCwd, sys::address(path), static_cast<long>(mode & kPermissions));
}

void parent_of(const HostPath& path, HostPath& out) {
  Text text = path.text();
  while (text.size > 1 && text[text.size - 1] == '/') --text.size;
  out.assign(text);
  out.pop_component();
}

}  // namespace

void show_owner(const Step& step, int directory, const char* path, int flags, sys::Stat& stat) {
  if (!step.fake()) return;
  const View& view = step.view();
  Owner owner;
  if (step.task.owners && !step.task.owners->empty() &&
      step.task.owners->find_inode(stat.dev, stat.ino, directory, path, flags, owner)) {
    stat.uid = owner.uid;
    stat.gid = owner.gid;
    if (owner.mode) {
      stat.mode = owner.mode;
      if (owner.rdev) stat.rdev = owner.rdev;
    }
    return;
  }
  if (stat.uid == view.host_uid) stat.uid = view.uid;
  if (stat.gid == view.host_gid) stat.gid = view.gid;
}

// Gives the real owner `bits` of `path`; the mode that was there goes to the store.
static void lift(const Step& step, const char* path, const sys::Stat& stat, uint32_t bits) {
  if ((stat.mode & bits) == bits || stat.uid != step.view().host_uid) return;
  if (change_mode(path, stat.mode | bits) < 0) return;
  Owners* owners = step.task.owners;
  FileKey key;
  if (!owners || owners->key_of(sys::kAtCwd, path, key) < 0) return;
  Owner owner;
  if (owners->find(key, owner)) {
    if (owner.mode) return;
  } else {
    owner.uid = step.view().uid;
    owner.gid = stat.gid == step.view().host_gid ? step.view().gid : stat.gid;
  }
  owner.mode = stat.mode;
  owners->set(key, owner);
}

void lift_directory(const Step& step, const HostPath& below) {
  HostPath& parent = step.task.work.link;
  parent_of(below, parent);
  sys::Stat stat;
  if (sys::lstat(parent.c_str(), &stat) < 0 || !is_directory(stat.mode)) return;
  lift(step, parent.c_str(), stat, 0700);
}

void lift_file(const Step& step, const HostPath& file, const sys::Stat& stat) {
  bool directory = is_directory(stat.mode);
  if (!directory && (stat.mode & sys::kTypeMask) != sys::kTypeRegular) return;
  lift(step, file.c_str(), stat, directory ? 0700 : 0600);
}

uint32_t umask_of(const Task& task) {
  HostPath path;
  proc_prefix(task.place, path);
  path.append("/status");
  long fd = sys::open(path.c_str(), 02000000);
  if (fd < 0) return 022;
  char text[256];
  long size = sys::call(__NR_read, fd, sys::address(text), sizeof text - 1);
  sys::close(static_cast<int>(fd));
  for (long i = 0; i + 12 < size; ++i) {
    if (__builtin_memcmp(text + i, "Umask:\t", 7) != 0) continue;
    uint32_t value = 0;
    for (i += 7; i < size && text[i] >= '0' && text[i] <= '7'; ++i) value = value * 8 + static_cast<uint32_t>(text[i] - '0');
    return value;
  }
  return 022;
}

void plan_created(const Step& step, const HostPath& host, uint32_t forced) {
  Task& task = step.task;
  if (!task.owners) return;
  const View& view = step.view();
  uint32_t uid = task.identity->fsuid, gid = task.identity->fsgid;
  bool inherits = false;
  if (!task.owners->empty()) {
    HostPath& parent = task.work.link;
    parent_of(host, parent);
    sys::Stat stat;
    Owner owner;
    if (sys::lstat(parent.c_str(), &stat) == 0 &&
        task.owners->find_inode(stat.dev, stat.ino, sys::kAtCwd, parent.c_str(), sys::kNoFollow, owner) &&
        (owner.mode & kSetGid)) {
      gid = owner.gid;
      inherits = true;
    }
  }
  if (uid == view.uid && gid == view.gid && !forced && !inherits) return;
  step.rewrite();
  step.decision.post = Post::own_created;
  step.decision.keep[0] = uid;
  step.decision.keep[1] = gid;
  step.decision.keep[2] = forced;
  step.decision.keep[3] = inherits;
}

// The path is resolved again: the workspace has served other calls since.
long finish_created(Task& task, const Call& call, const Decision& decision, long result) {
  if (result < 0) return result;
  const Row& row = *decision.row;
  Decision unused;
  Step step{task, call, row, unused};
  bool socket = row.op == Op::socket_name || row.op == Op::socket_call;
  Taken taken = socket ? take_socket_name(step, task.input) : take_path(step, row.path, task.input);
  if (taken != Taken::path) return result;
  Follow follow = row.op == Op::open || row.op == Op::openat2 ? Follow::yes : Follow::no;
  Resolved& found = task.first;
  if (resolve(task.place, task.work, directory_of(step, row.dir), task.input.text(), follow, found) < 0) return result;
  FileKey key;
  sys::Stat stat;
  if (task.owners->key_of(sys::kAtCwd, found.host.c_str(), key) < 0) return result;
  if (sys::lstat(found.host.c_str(), &stat) < 0) return result;
  auto forced = static_cast<uint32_t>(decision.keep[2]);
  Owner owner;
  owner.uid = static_cast<uint32_t>(decision.keep[0]);
  owner.gid = static_cast<uint32_t>(decision.keep[1]);
  if (forced) owner.mode = stat.mode & ~forced;
  if (decision.keep[3] && is_directory(stat.mode)) owner.mode = (owner.mode ? owner.mode : stat.mode) | kSetGid;
  task.owners->set(key, owner);
  return result;
}

namespace {

// chmod and chown work on a file found as (path, flags for stat).
struct Target {
  const char* path;
  int flags;
  sys::Stat real, shown;
  FileKey key;
};

// Fills stat and key; false: answered.
bool inspect(const Step& step, Target& target) {
  long result = sys::fstatat(sys::kAtCwd, target.path, &target.real, target.flags);
  if (result == 0 && step.task.owners) {
    // Owners::key_of does not follow; a descriptor's path in /proc must be followed.
    target.key = step.task.owners->key_of_stat(target.real, sys::kAtCwd, target.path, target.flags);
  }
  if (result < 0) {
    step.answer(result);
    return false;
  }
  target.shown = target.real;
  show_owner(step, sys::kAtCwd, target.path, target.flags, target.shown);
  return true;
}

void record(const Step& step, const Target& target, bool with_mode) {
  Owners* owners = step.task.owners;
  if (!owners) return;
  Owner owner;
  bool known = owners->find(target.key, owner);
  if (!known) owner = Owner{};
  const View& view = step.view();
  owner.uid = target.shown.uid;
  owner.gid = target.shown.gid;
  if (with_mode || owner.mode) owner.mode = target.shown.mode;
  if (!owner.mode && owner.uid == view.uid && owner.gid == view.gid && !owner.rdev) {
    if (known) owners->remove(target.key);
    return;
  }
  owners->set(target.key, owner);
}

void change_shown_mode(const Step& step, Target& target, uint32_t mode) {
  const Identity& id = *step.task.identity;
  if (id.fsuid != target.shown.uid && !id.can(3)) return step.answer(-EPERM);
  mode &= kPermissions;
  if (!is_directory(target.shown.mode) && !id.can(4) && (mode & kSetGid) && id.fsgid != target.shown.gid) mode &= ~kSetGid;
  uint32_t least = is_directory(target.real.mode) ? 0700 : 0600;
  uint32_t real = (mode & 01777) | least;
  bool device = (target.shown.mode & sys::kTypeMask) != (target.real.mode & sys::kTypeMask);
  long result = 0;
  if (target.real.uid == step.view().host_uid) {
    result = change_mode(target.path, real);
    if (result == -EPERM && (real & 01000)) result = change_mode(target.path, real & 0777);
  } else if (!id.is_root()) {
    return step.answer(-EPERM);
  }
  if (result < 0) return step.answer(result);
  target.shown.mode = (target.shown.mode & sys::kTypeMask) | mode;
  Owner owner;
  bool stored = step.task.owners && step.task.owners->find(target.key, owner) && owner.mode;
  bool differs = device || mode != real || target.real.uid != step.view().host_uid;
  if (stored || differs) record(step, target, true);
  step.answer(0);
}

void change_shown_owner(const Step& step, Target& target, uint32_t uid, uint32_t gid) {
  const Identity& id = *step.task.identity;
  if (!id.can(0)) {
    bool member = gid == id.fsgid || gid == target.shown.gid;
    for (uint32_t i = 0; i < id.group_count; ++i) member |= id.groups[i] == gid;
    bool owner = id.fsuid == target.shown.uid;
    if (uid != kSameId && (!owner || uid != target.shown.uid)) return step.answer(-EPERM);
    if (gid != kSameId && (!owner || !member)) return step.answer(-EPERM);
  }
  if (uid == kSameId && gid == kSameId) return step.answer(0);
  if (uid != kSameId) target.shown.uid = uid;
  if (gid != kSameId) target.shown.gid = gid;
  bool clears = (target.shown.mode & sys::kTypeMask) == sys::kTypeRegular && (target.shown.mode & 06000);
  if (clears) {
    target.shown.mode &= ~04000u;
    if (target.shown.mode & 010) target.shown.mode &= ~kSetGid;
  }
  record(step, target, clears);
  step.answer(0);
}

// Descriptor calls: the file by its place in /proc. False: answered or to be passed.
bool open_file(const Step& step, HostPath& path, Target& target) {
  proc_prefix(step.task.place, path);
  path.append("/fd/");
  path.append_number(static_cast<uint64_t>(step.argument(0)));
  target.path = path.c_str();
  target.flags = 0;
  if (step.argument(0) < 0) {
    step.answer(-EBADF);
    return false;
  }
  if (!inspect(step, target)) {
    if (step.decision.answer == -ENOENT) step.answer(-EBADF);
    return false;
  }
  return true;
}

// True when the descriptor's file lies under a read-only bind (answered with EROFS).
bool refused_read_only(const Step& step, int descriptor) {
  if (!step.view().has(kHasReadOnly)) return false;
  HostPath& host = step.task.text;
  if (host_of_descriptor(step.task.place, descriptor, host) < 0) return false;
  const Mount* mount = mount_of_host(step.view(), host.text());
  if (!mount || !(mount->flags & kMountReadOnly)) return false;
  step.answer(-EROFS);
  return true;
}

// The path of chmod, chown and their relatives as our own calls need it.
bool find_target(const Step& step, Target& target) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  Taken taken = take_path(step, step.row.path, task.input);
  if (taken == Taken::answered) return false;
  target.flags = sys::kNoFollow;
  HostPath& host = task.first.host;
  if (taken == Taken::descriptor) {
    proc_prefix(task.place, host);
    if (directory == sys::kAtCwd) {
      host.append("/cwd");
    } else {
      host.append("/fd/");
      host.append_number(static_cast<uint64_t>(directory));
    }
    target.flags = 0;
  } else {
    if (!map_path(step, directory, task.input, follow_of(step), task.first)) return false;
    if (task.first.magic != Magic::none && follow_of(step) == Follow::yes) target.flags = 0;
  }
  target.path = host.c_str();
  return inspect(step, target);
}

// Without emulated ids these calls are the kernel's, by another name.
void pass_mapped(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  if (take_path(step, step.row.path, task.input) != Taken::path) return;
  Follow follow = follow_of(step);
  if (plain_name(step, directory, task.input, follow)) return;
  if (map_path(step, directory, task.input, follow, task.first)) step.put_path(step.row.path, task.first.host);
}

}  // namespace

void do_chmod(const Step& step) {
  if (!step.fake()) return pass_mapped(step);
  Target target;
  if (!find_target(step, target)) return;
  if ((target.real.mode & sys::kTypeMask) == sys::kTypeLink) return step.answer(-EOPNOTSUPP);
  change_shown_mode(step, target, static_cast<uint32_t>(step.call.arg[step.row.path + 1]));
}

void do_fchmod(const Step& step) {
  if (refused_read_only(step, step.argument(0)) || !step.fake()) return;
  Target target;
  if (open_file(step, step.task.first.host, target))
    change_shown_mode(step, target, static_cast<uint32_t>(step.call.arg[1]));
}

namespace {

// 16-bit ids of the oldest i386 calls: 0xffff means unchanged.
uint32_t id_argument(const Step& step, int index) {
  auto value = static_cast<uint32_t>(step.call.arg[index]);
  bool narrow = step.call.abi == Abi::i386 && (step.call.number == 182 || step.call.number == 16 || step.call.number == 95);
  if (narrow && (value & 0xffff) == 0xffff) return kSameId;
  return narrow ? value & 0xffff : value;
}

}  // namespace

void do_chown(const Step& step) {
  if (!step.fake()) return pass_mapped(step);
  Target target;
  if (!find_target(step, target)) return;
  int first = step.row.path + 1;
  change_shown_owner(step, target, id_argument(step, first), id_argument(step, first + 1));
}

void do_fchown(const Step& step) {
  if (refused_read_only(step, step.argument(0)) || !step.fake()) return;
  Target target;
  if (open_file(step, step.task.first.host, target))
    change_shown_owner(step, target, id_argument(step, 1), id_argument(step, 2));
}

namespace {

enum class Verb : uint8_t { set, get, list, remove };

struct XattrArgs {
  uint64_t value, size;
  uint32_t flags;
};

bool kept_in_store(Text name) { return name.starts_with("security.") || name.starts_with("trusted."); }

// The names of the file's own attributes and of those in the store. True: answered.
bool list_xattrs(const Step& step, uint64_t address, uint64_t room, const char* path, int flags) {
  Task& task = step.task;
  if (!task.owners || !task.owners->has_xattrs()) return false;
  Target target{path, flags, {}, {}, {}};
  if (!inspect(step, target)) return true;
  char* names = task.text.buffer();
  long kept = task.owners->list_xattr(target.key, names, kPathMax);
  if (kept == 0) return false;
  if (kept < 0) {
    step.answer(-E2BIG);
    return true;
  }
  auto left = static_cast<long>(kPathMax) - kept;  // asked for no room at all, the kernel tells the size
  long own = sys::call(flags & sys::kNoFollow ? __NR_llistxattr : __NR_listxattr, sys::address(path), sys::address(names + kept), left);
  if (own == -EOPNOTSUPP) own = 0;
  if (own == -ERANGE || (own > 0 && left == 0)) own = -E2BIG;
  long size = own < 0 ? own : kept + own;
  if (size <= 0 || room == 0)
    step.answer(size);
  else if (static_cast<uint64_t>(size) > room)
    step.answer(-ERANGE);
  else
    step.give(address, names, static_cast<size_t>(size), size);
  return true;
}

// Attributes that only root may touch live in the store. Of list, `args` tells where the names are to go. True: answered.
bool emulate_xattr(const Step& step, Verb verb, uint64_t name_address, const XattrArgs& args, const char* path, int flags) {
  Task& task = step.task;
  if (!step.fake_root()) return false;
  if (verb == Verb::list) return list_xattrs(step, args.value, args.size, path, flags);
  char name[256];
  long size = task.memory->read_text(name_address, name, sizeof name);
  if (size < 0 || !kept_in_store({name, static_cast<size_t>(size)})) return false;
  if (verb == Verb::get && (!task.owners || !task.owners->has_xattrs())) return false;
  Target target{path, flags, {}, {}, {}};
  if (!inspect(step, target)) return true;
  Text text(name, static_cast<size_t>(size));
  if (!task.owners) {
    step.answer(0);
    return true;
  }
  if (verb == Verb::remove) {
    step.answer(task.owners->remove_xattr(target.key, text));
    return true;
  }
  char* value = task.text.buffer();
  if (verb == Verb::get) {
    long length = task.owners->get_xattr(target.key, text, value, args.size < kPathMax ? args.size : kPathMax);
    if (length == -ENODATA) return false;
    if (length > 0 && args.size > 0)
      step.give(args.value, value, static_cast<size_t>(length), length);
    else
      step.answer(length);
    return true;
  }
  if (args.size > kPathMax) {
    step.answer(-ENOSPC);
    return true;
  }
  long result = task.memory->read(args.value, value, args.size);
  if (result == 0) result = task.owners->set_xattr(target.key, text, value, args.size, static_cast<int>(args.flags));
  step.answer(result);
  return true;
}

// getxattr of what was found, not following a link, into the memory of the process itself.
long get_xattr_here(const Step& step, const Resolved& found) {
  constexpr int kGetxattrat = 464;
  const uint64_t* arg = step.call.arg;
  HostName host = name_of(step.task.place, found);
  if (host.directory == sys::kAtCwd || !step.task.place.xattr_at || arg[3] > 0xffffffff)
    return sys::call(__NR_lgetxattr, sys::address(found.host.c_str()), static_cast<long>(arg[1]), static_cast<long>(arg[2]), static_cast<long>(arg[3]));
  struct {
    uint64_t value;
    uint32_t size, flags;
  } how{arg[2], static_cast<uint32_t>(arg[3]), 0};
  return sys::call(kGetxattrat, host.directory, sys::address(host.path), sys::kNoFollow, static_cast<long>(arg[1]), sys::address(&how), sizeof how);
}

// Access lists, which `ls -l` asks of every file: links have none, so the file is asked without following and walked
// to only when it is a link. True: answered.
bool ask_access_list(const Step& step, int directory) {
  Task& task = step.task;
  char name[18];
  constexpr Text kPrefix("system.posix_acl_");
  if (!task.place.self || task.memory->read(step.call.arg[1], name, kPrefix.size) < 0) return false;
  if (!(Text(name, kPrefix.size) == kPrefix)) return false;
  if (!map_path(step, directory, task.input, Follow::no, task.first)) return true;
  if (task.first.magic != Magic::none || task.first.trailing) return false;
  long result = get_xattr_here(step, task.first);
  if (result == -EOPNOTSUPP) return false;
  step.answer(result);
  return true;
}

}  // namespace

void do_xattr(const Step& step) {
  Task& task = step.task;
  auto verb = static_cast<Verb>(step.row.detail & 3);
  bool at_form = step.row.detail >= 4;
  int path = step.row.path;
  int directory = directory_of(step, step.row.dir);
  Taken taken = take_path(step, path, task.input);
  if (taken == Taken::answered) return;
  Follow follow = follow_of(step);
  if (taken == Taken::path) {
    if (!step.fake() && plain_name(step, directory, task.input, follow)) return;
    if (verb == Verb::get && !at_form && follow == Follow::yes && ask_access_list(step, directory)) return;
    if (!map_path(step, directory, task.input, follow, task.first)) return;
  }
  int name = at_form ? 3 : 1;
  XattrArgs args{step.call.arg[2], step.call.arg[3], static_cast<uint32_t>(step.call.arg[4])};
  bool can_emulate = taken == Taken::path;
  if (at_form && can_emulate && verb != Verb::list && verb != Verb::remove) {
    struct {
      uint64_t value;
      uint32_t size, flags;
    } how;
    long result = task.memory->read(step.call.arg[4], &how, sizeof how);
    if (result < 0) return step.answer(result);
    args = {how.value, how.size, how.flags};
  }
  if (verb == Verb::list) args = {step.call.arg[name], step.call.arg[name + 1], 0};
  int flags = follow == Follow::no || task.first.magic == Magic::none ? sys::kNoFollow : 0;
  if (can_emulate && emulate_xattr(step, verb, step.call.arg[name], args, task.first.host.c_str(), flags)) return;
  if (taken != Taken::path) return;
  bool here = task.place.self && task.place.xattr_at && verb == Verb::get && !at_form;
  if (here && follow == Follow::no && task.first.magic == Magic::none && !task.first.trailing) return step.answer(get_xattr_here(step, task.first));
  step.put_path(path, task.first.host);
}

void do_fxattr(const Step& step) {
  auto verb = static_cast<Verb>(step.row.detail & 3);
  bool writes = verb == Verb::set || verb == Verb::remove;
  if (writes && refused_read_only(step, step.argument(0))) return;
  if (!step.fake()) return;
  HostPath& host = step.task.first.host;
  proc_prefix(step.task.place, host);
  host.append("/fd/");
  host.append_number(static_cast<uint64_t>(step.argument(0)));
  XattrArgs args{step.call.arg[2], step.call.arg[3], static_cast<uint32_t>(step.call.arg[4])};
  if (verb == Verb::list) args = {step.call.arg[1], step.call.arg[2], 0};
  emulate_xattr(step, verb, step.call.arg[1], args, host.c_str(), 0);
}

}  // namespace udocker::guest
