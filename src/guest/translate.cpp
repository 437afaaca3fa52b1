#include "guest/translate.hpp"

#include "guest/parts.hpp"

namespace udocker::guest {

Follow follow_of(const Step& step) {
  constexpr uint32_t kNoFollowBits[] = {sys::kNoFollow, 0x4, 0x02000000};  // AT_, FAN_MARK_, IN_DONT_FOLLOW
  uint32_t flags = at_flags(step);
  if (step.has(kFlagFollow)) return flags & sys::kFollow ? Follow::yes : Follow::no;
  if (!step.has(kFollow)) return Follow::no;
  uint32_t bits = step.row.op == Op::path ? kNoFollowBits[step.row.detail % 3] : sys::kNoFollow;
  return flags & bits ? Follow::no : Follow::yes;
}

Taken take_path(const Step& step, int index, GuestPath& into) {
  uint64_t address = step.call.arg[index];
  into.clear();
  if (address == 0 && step.has(kEmptyPath)) return Taken::descriptor;
  long size = step.task.memory->read_text(address, into.buffer(), kPathMax);
  if (size < 0) {
    into.clear();
    step.answer(size);
    return Taken::answered;
  }
  into.set_size(static_cast<size_t>(size));
  if (size == 0) {
    bool means_descriptor = step.row.op == Op::readlink || (at_flags(step) & sys::kEmptyPath);
    if (step.has(kEmptyPath) && means_descriptor) return Taken::descriptor;
    step.answer(-ENOENT);
    return Taken::answered;
  }
  return Taken::path;
}

bool plain_name(const Step& step, int directory, const GuestPath& path, Follow follow) {
  Text name = path.text();
  const View& view = step.view();
  if (step.has(kChanges) && view.has(kHasReadOnly)) return false;
  if (view.has(kLinkToSymlink)) return false;
  for (size_t i = 0; i < name.size; ++i)
    if (name[i] == '/') return false;
  if (name == "..") return false;
  if (name == ".") return true;
  if (mount_is_called(view, name)) return false;
  if (name == "self" || name == "thread-self") return false;
  if (step.has(kUnlinks)) note_change(step.task.place.shared, name);
  if (follow == Follow::no) return true;
  HostPath& link = step.task.work.link;
  int at = directory;
  if (step.task.place.self) {
    link.assign(name);
  } else {
    proc_prefix(step.task.place, link);
    if (directory == sys::kAtCwd) {
      link.append("/cwd/");
    } else {
      if (directory < 0) return true;
      link.append("/fd/");
      link.append_number(static_cast<uint64_t>(directory));
      link.append("/");
    }
    link.append(name);
    at = sys::kAtCwd;
  }
  char byte[1];
  return sys::call(__NR_readlinkat, at, sys::address(link.c_str()), sys::address(byte), 1) < 0;
}

namespace {
// Calls that mean the file and not its name, also when they do not follow links.
bool shows_links_as_files(Op op) {
  return op != Op::remove && op != Op::two_paths && op != Op::symlink && op != Op::mkdir && op != Op::mknod;
}
}  // namespace

bool map_path(const Step& step, int directory, const GuestPath& path, Follow follow, Resolved& out) {
  Task& task = step.task;
  long result = resolve(task.place, task.work, directory, path.text(), follow, out);
  if (result == -EACCES && step.fake_root()) {
    lift_directory(step, out.host);
    result = resolve(task.place, task.work, directory, path.text(), follow, out);
  }
  if (result < 0) {
    step.answer(result);
    return false;
  }
  if (follow == Follow::no && task.place.view->has(kLinkToSymlink) && shows_links_as_files(step.row.op)) {
    HostPath middle;
    if (is_kept_link(step, out.host, middle)) return map_path(step, directory, path, Follow::yes, out);
  }
  if (step.has(kChanges) && out.read_only()) {
    step.answer(-EROFS);
    return false;
  }
  if (step.has(kUnlinks)) {
    if (out.is_mount_point) {
      step.answer(-EBUSY);
      return false;
    }
    note_change(task.place.shared, out.guest.text());
  }
  return true;
}

namespace {

void do_path(const Step& step) {
  Task& task = step.task;
  int directory = directory_of(step, step.row.dir);
  if (take_path(step, step.row.path, task.input) != Taken::path) return;
  Follow follow = follow_of(step);
  if (plain_name(step, directory, task.input, follow)) return;
  // Asked for as a directory, the whole path is looked up in the cache.
  if (step.row.op == Op::chdir && task.input.text()[0] == '/') task.input.append("/.");
  if (map_path(step, directory, task.input, follow, task.first)) step.put_path(step.row.path, task.first.host);
}

void do_unshare(const Step& step) {
  constexpr uint64_t kNamespaces = 0x7e020080, kUntraced = 0x00800000;
  bool clones = step.row.op == Op::clone;
  uint64_t flags = step.call.arg[0];
  // For clone the low byte is the exit signal.
  if (flags & kNamespaces & ~(clones ? uint64_t{0xff} : 0)) return step.answer(-EPERM);
  if (clones && (flags & kUntraced)) step.set_argument(0, flags & ~kUntraced);
}

void dispatch(const Step& step) {
  switch (step.row.op) {
    case Op::pass:
      return;
    case Op::refuse:
      return step.answer(-static_cast<long>(step.row.detail));
    case Op::path:
    case Op::chdir:
      return do_path(step);
    case Op::open:
      return do_open(step);
    case Op::openat2:
      return do_openat2(step);
    case Op::stat:
      return do_stat(step);
    case Op::statx:
      return do_statx(step);
    case Op::fstat:
      return do_fstat(step);
    case Op::access:
      return do_access(step);
    case Op::readlink:
      return do_readlink(step);
    case Op::getcwd:
      return do_getcwd(step);
    case Op::chroot:
      return do_chroot(step);
    case Op::exec:
      return do_exec(step);
    case Op::mkdir:
    case Op::mknod:
    case Op::symlink:
      return do_make(step);
    case Op::remove:
      return do_remove(step);
    case Op::two_paths:
      return do_two_paths(step);
    case Op::chmod:
      return do_chmod(step);
    case Op::fchmod:
      return do_fchmod(step);
    case Op::chown:
      return do_chown(step);
    case Op::fchown:
      return do_fchown(step);
    case Op::xattr:
      return do_xattr(step);
    case Op::fxattr:
      return do_fxattr(step);
    case Op::socket_name:
    case Op::send_to:
    case Op::send_message:
    case Op::send_messages:
    case Op::socket_call:
    case Op::peer_name:
    case Op::receive:
    case Op::get_option:
      return do_socket(step);
    case Op::get_id:
    case Op::get_res_id:
    case Op::get_groups:
    case Op::set_id:
    case Op::set_groups:
    case Op::capget:
    case Op::capset:
    case Op::prctl:
    case Op::set_name:
      return do_identity(step);
    case Op::uname:
      return do_uname(step);
    case Op::getdents:
      step.decision.post = Post::listing;
      return;
    case Op::unshare:
    case Op::clone:
      return do_unshare(step);
    case Op::ptrace:
    case Op::wait:
    case Op::seccomp:
    case Op::get_affinity:
    case Op::set_affinity:
      step.decision.action = Action::engine;
      return;
  }
}

}  // namespace

void translate(Task& task, const Call& call, Decision& decision) {
  decision.action = Action::pass;
  decision.post = Post::none;
  decision.blob_count = 0;
  decision.extra_fd = -1;
  decision.row = find_row(call.abi, call.number);
  if (!decision.row) {
    decision.action = Action::answer;
    decision.answer = -ENOSYS;
    return;
  }
  dispatch({task, call, *decision.row, decision});
}

long finish(Task& task, const Call& call, const Decision& decision, long result) {
  switch (decision.post) {
    case Post::own_created:
      return finish_created(task, call, decision, result);
    case Post::socket_name:
      return finish_socket(task, call, decision, result);
    case Post::peer_ids:
      return finish_credentials(task, call, decision, result);
    case Post::listing:
      return finish_listing(task, call, decision, result);
    case Post::release:
      return finish_uname(task, call, decision, result);
    case Post::none:
    case Post::close_extra:
      return result;
  }
  return result;
}

}  // namespace udocker::guest
