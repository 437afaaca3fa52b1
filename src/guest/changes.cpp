// Calls that make, remove, rename and link names.
#include "guest/parts.hpp"

namespace udocker::guest {

namespace {

constexpr int kCapMknod = 27;

bool is_device(uint32_t mode) {
  uint32_t type = mode & sys::kTypeMask;
  return type == sys::kTypeChar || type == sys::kTypeBlock;
}

// A device of an emulated root is an empty file with its mode and number in the store.
void make_device(const Step& step, uint32_t mode, uint64_t device) {
  Task& task = step.task;
  if (!task.identity->can(kCapMknod)) return step.answer(-EPERM);
  constexpr int kNewFile = 0101 | 0200 | 02000000;  // O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
  long fd = sys::open(task.first.host.c_str(), kNewFile, 0600);
  if (fd < 0) return step.answer(fd);
  sys::close(static_cast<int>(fd));
  FileKey key;
  Owner owner;
  owner.uid = task.identity->fsuid;
  owner.gid = task.identity->fsgid;
  owner.mode = (mode & sys::kTypeMask) | (mode & 07777 & ~umask_of(task));
  owner.rdev = device;
  if (task.owners && task.owners->key_of(sys::kAtCwd, task.first.host.c_str(), key) == 0) task.owners->set(key, owner);
  step.answer(0);
}

// mknod's packed device number as stat shows it.
uint64_t device_number(uint64_t packed) { return packed & 0xffffffff; }

bool missing(const HostPath& path) {
  sys::Stat stat;
  return sys::lstat(path.c_str(), &stat) == -ENOENT;
}

// With kHostLinks: a link's target that a tree in an F mode has as a host path, so that the kernel can follow it.
bool is_guest_path(const View& view, Text target) {
  return target[0] == '/' && view.root().size > 1 && !contains_path(view.root(), target);
}

}  // namespace

void do_make(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  bool turns = step.row.op == Op::symlink && step.view().has(kHostLinks);
  if (turns && take_path(step, 0, task.input2) != Taken::path) return;
  turns = turns && is_guest_path(step.view(), task.input2.text());
  if (take_path(step, step.row.path, task.input) != Taken::path) return;
  if (!turns && !step.fake() && plain_name(step, directory, task.input, Follow::no)) return;
  Resolved& found = task.first;
  if (!map_path(step, directory, task.input, Follow::no, found)) return;
  if (found.is_mount_point) return step.answer(-EEXIST);
  if (step.fake_root()) lift_directory(step, found.host);
  auto mode = static_cast<uint32_t>(step.call.arg[step.row.path + 1]);
  if (step.row.op == Op::mknod && step.fake() && is_device(mode))
    return make_device(step, mode, device_number(step.call.arg[step.row.path + 2]));
  if (turns && found.mount == &step.view().mounts[0]) {
    HostPath& target = task.second.host;
    target.assign(step.view().root());
    target.append(task.input2.text());
    if (target.overflow()) return step.answer(-ENAMETOOLONG);
    step.put_path(0, target);
  }
  step.put_path(step.row.path, found.host);
  if (!step.fake() || !missing(found.host)) return;
  uint32_t forced = 0;
  if (step.row.op == Op::mkdir) forced = 0700 & ~mode;
  if (step.row.op == Op::mknod) forced = 0600 & ~mode;
  if (forced) step.set_argument(step.row.path + 1, mode | forced);
  plan_created(step, found.host, forced);
}

void do_remove(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  if (take_path(step, step.row.path, task.input) != Taken::path) return;
  if (!step.fake_root() && plain_name(step, directory, task.input, Follow::no)) return;
  Text text = task.input.text();
  bool dot = text == "." || (text.size > 1 && text[text.size - 1] == '.' && text[text.size - 2] == '/');
  bool directories = step.row.detail == 1 || (step.row.detail == 2 && (at_flags(step) & sys::kRemoveDir));
  if (dot && directories) return step.answer(-EINVAL);
  if (!map_path(step, directory, task.input, Follow::no, task.first)) return;
  if (step.fake_root()) lift_directory(step, task.first.host);
  if (!directories && remove_kept_link(step, task.first.host)) return;
  if (!step.fake_root() || task.first.trailing || text[0] == '/' || !plain_name(step, directory, task.input, Follow::no))
    step.put_path(step.row.path, task.first.host);
}

void do_two_paths(const Step& step) {
  Task& task = step.task;
  bool links = step.row.detail == 1;
  int from = directory_of(step, step.row.dir), to = directory_of(step, step.row.dir2);
  Taken taken = take_path(step, step.row.path, task.input);
  if (taken == Taken::answered) return;
  Taken taken2 = take_path(step, step.row.path2, task.input2);
  if (taken2 == Taken::answered) return;
  if (taken2 == Taken::descriptor) return step.answer(step.call.arg[step.row.path2] ? -ENOENT : -EFAULT);
  Follow follow = follow_of(step);
  bool plain_from = taken == Taken::descriptor || plain_name(step, from, task.input, follow);
  bool plain_to = plain_name(step, to, task.input2, Follow::no);
  bool symbolic = links && step.view().has(kLinkToSymlink);
  if (!symbolic && !step.fake_root() && plain_from && plain_to) return;
  if (taken == Taken::path) {
    if (!map_path(step, from, task.input, follow, task.first)) return;
    if (!plain_from) step.put_path(step.row.path, task.first.host);
  }
  if (!map_path(step, to, task.input2, Follow::no, task.second)) return;
  if (step.fake_root()) {
    lift_directory(step, task.second.host);
    if (!links && taken == Taken::path) lift_directory(step, task.first.host);
  }
  if (symbolic && taken == Taken::path) return make_kept_link(step);
  if (!links && step.view().has(kLinkToSymlink) && rename_over_kept_link(step)) return;
  if (!plain_to) step.put_path(step.row.path2, task.second.host);
}

}  // namespace udocker::guest
