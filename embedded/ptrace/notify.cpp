#include "embedded/ptrace/notify.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "embedded/ptrace/engine.hpp"
#include "util/error.hpp"

namespace udocker::ptrace {
namespace {
// Newer kernels know more members than this build's headers and write them all.
union Reply {
  seccomp_notif_resp answer;
  uint64_t space[16] = {};
};
}  // namespace

namespace {

constexpr unsigned long kWaitKillable = 1 << 5;       // 5.19
constexpr unsigned long kSetFlags = 0x40082104;       // SECCOMP_IOCTL_NOTIF_SET_FLAGS, 6.6
constexpr unsigned long kSyncWakeUp = 1;
constexpr uint32_t kSendWithDescriptor = 2;           // SECCOMP_ADDFD_FLAG_SEND, 5.14

int install(const void* program, unsigned long extra) {
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                    SECCOMP_FILTER_FLAG_NEW_LISTENER | kWaitKillable | extra * kSpecAllow, program));
}

}  // namespace

int install_with_listener(const void* program) {
  int fd = install(program, 1);
  return fd >= 0 ? fd : install(program, 0);
}

int descriptor_of(pid_t pid, int number) {
  constexpr long kPidfdOpen = 434, kPidfdGetfd = 438;
  int process = static_cast<int>(::syscall(kPidfdOpen, pid, 0));
  if (process < 0) return -1;
  int fd = static_cast<int>(::syscall(kPidfdGetfd, process, number, 0));
  int reason = errno;
  ::close(process);
  errno = reason;
  return fd;
}

// A null program is looked at only after the flags: EFAULT means they are known. Docker's default profile knows the
// listener but refuses pidfd_getfd.
bool listener_supported() {
  if (install(nullptr, 0) >= 0 || errno != EFAULT) return false;
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return false;
  int fd = descriptor_of(::getpid(), pipe[0]);
  ::close(pipe[0]);
  ::close(pipe[1]);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

Notifier::Notifier(Engine& engine) : engine_(engine), task_(std::make_unique<guest::Task>()) {}

void Notifier::start(int listener) {
  listener_ = listener;
  seccomp_notif_sizes sizes{};
  if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) sizes = {sizeof(seccomp_notif), sizeof(seccomp_notif_resp), 0};
  request_size_ = std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif));
  reply_size_ = std::max<std::size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp));
  ::ioctl(listener_, kSetFlags, kSyncWakeUp);
  const guest::Task& model = *engine_.task_;
  task_->place.view = model.place.view;
  task_->place.shared = model.place.shared;
  task_->place.root_fd = model.place.root_fd;
  task_->place.context = model.place.context;
  task_->place.program_of = model.place.program_of;
  task_->place.auxv_of = model.place.auxv_of;
  task_->place.want_type = true;
  task_->owners = model.owners;
  task_->engine_pid = model.engine_pid;
  task_->memory = &memory_;
  try {
    std::thread([this] { serve(); }).detach();
  } catch (const std::system_error& error) {
    throw SystemError("start a thread for", "the seccomp listener", error.code().value());
  }
}

void Notifier::serve() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::vector<uint64_t> buffer(request_size_ / 8 + 1);
  auto& request = *reinterpret_cast<seccomp_notif*>(buffer.data());
  while (true) {
    std::memset(buffer.data(), 0, request_size_);
    if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
      if (errno == EINTR || errno == ENOENT) continue;
      return;
    }
    handle(request);
  }
}

void Notifier::reply(uint64_t id, long value) {
  Reply room;
  auto& answer = room.answer;
  answer.id = id;
  bool failed = value < 0 && value > -4096;
  answer.error = failed ? static_cast<int>(value) : 0;
  answer.val = failed ? 0 : value;
  ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void Notifier::let_run(uint64_t id) {
  Reply room;
  auto& answer = room.answer;
  answer.id = id;
  answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

namespace {

void open_and_send(int listener, uint64_t id, guest::HostName name, int flags) {
  int fd = static_cast<int>(::syscall(SYS_openat, name.directory, name.path, flags | O_CLOEXEC | O_NOCTTY));  // libc's asks for O_CLOEXEC twice
  long error = fd < 0 ? errno : 0;
  if (fd >= 0) {
    seccomp_notif_addfd add{};
    add.id = id;
    add.flags = kSendWithDescriptor;
    add.srcfd = static_cast<uint32_t>(fd);
    add.newfd_flags = static_cast<uint32_t>(flags & O_CLOEXEC);
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0) error = errno;
    ::close(fd);
  }
  if (error == 0) return;
  Reply room;
  auto& answer = room.answer;
  answer.id = id;
  answer.error = static_cast<int>(-error);
  ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

}  // namespace

void Notifier::open_for(uint64_t id, Tracee& tracee, guest::HostName name, bool same_name, uint32_t type) {
  const guest::Decision& decision = tracee.decision;
  auto flags = static_cast<int>(tracee.call.arg[decision.row->path + 1]);
  if (type == 0) {
    struct stat stat;
    int how = flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
    if (::fstatat(name.directory, name.path, &stat, how) == 0) type = stat.st_mode & S_IFMT;
  }
  // A device may become the opener's terminal: it opens it itself where it has the same name on the host.
  if (type == S_IFCHR && same_name) return let_run(id);
  bool may_block = type == S_IFIFO || type == S_IFCHR;
  if (!may_block || (flags & (O_NONBLOCK | O_PATH))) return open_and_send(listener_, id, name, flags);
  // What may wait is opened by the program itself, so that signals end the wait or not by the kernel's own rules. A stop
  // that it cannot block makes it start the call again, with the name changed (Engine::on_open_stop).
  if (!tracee.traced) {
    constexpr long kStartAgain = 512;  // ERESTARTSYS
    tracee.own_open = true;
    if (::syscall(SYS_tgkill, tracee.tgid, tracee.tid, SIGSTOP) == 0) return reply(id, -kStartAgain);
  }
  try {
    std::thread([listener = listener_, id, directory = name.directory, path = std::string(name.path), flags] {
      open_and_send(listener, id, {directory, path.c_str()}, flags);
    }).detach();
  } catch (const std::system_error&) {
    reply(id, -ENOMEM);
  }
}

// getxattr, listxattr and their like of a host path, into the program's memory: the call's result.
long Notifier::read_attributes(const guest::Call& call, const guest::Decision& decision) {
  constexpr uint64_t kMost = 65536;  // XATTR_SIZE_MAX, XATTR_LIST_MAX
  const void* path = decision.blobs[0].data;
  const bool lists = decision.row->detail == 2;
  const uint64_t place = call.arg[lists ? 1 : 2], size = std::min(call.arg[lists ? 2 : 3], kMost);
  char name[256];
  if (!lists) {
    long length = memory_.read_text(call.arg[1], name, sizeof name);
    if (length == 0 || length == -ENAMETOOLONG) return -ERANGE;
    if (length < 0) return length;
  }
  if (attributes_.size() < size) attributes_.resize(size);
  long got = lists ? ::syscall(call.number, path, attributes_.data(), size) : ::syscall(call.number, path, name, attributes_.data(), size);
  if (got < 0) return -errno;
  long written = size && got ? memory_.write(place, attributes_.data(), static_cast<std::size_t>(got)) : 0;
  return written < 0 ? written : got;
}

void Notifier::handle(const seccomp_notif& request) {
  std::unique_lock lock(engine_.mutex_);
  auto found = engine_.tracees_.find(static_cast<pid_t>(request.pid));
  if (found == engine_.tracees_.end() || !found->second->place || !found->second->space) return reply(request.id, -ENOSYS);
  Tracee& tracee = *found->second;
  guest::Call& call = tracee.call;
  call.abi = guest::kNativeAbi;
  call.number = request.data.nr;
  for (int i = 0; i < 6; ++i) call.arg[i] = request.data.args[i];
  engine_.set_clock();
  memory_.attach(tracee.tid, 0, 0);
  guest::Task& task = *task_;
  task.place.pid = tracee.tgid;
  task.place.tid = tracee.tid;
  task.place.root = tracee.place->root.text();
  task.identity = &tracee.identity;
  task.chroot_to = &tracee.place->root;
  if (const guest::Row* row = guest::find_row(call.abi, call.number)) {
    engine_.replace_copies(tracee, *row, memory_);
    if (tracee.own_open && row->op == guest::Op::open && call.arg[row->path] != request.data.args[row->path]) {
      tracee.own_open = false;
      return let_run(request.id);
    }
  }
  guest::Decision& decision = tracee.decision;
  guest::translate(task, call, decision);
  if (decision.extra_fd >= 0) engine_.keep_extra(decision.extra_fd, *decision.row);
  switch (decision.action) {
    case guest::Action::pass:
      return let_run(request.id);
    case guest::Action::answer:
      return reply(request.id, decision.answer);
    case guest::Action::rewrite: {
      if (decision.row->op == guest::Op::open) {
        bool same_name = task.input.text() == task.first.host.text();
        return open_for(request.id, tracee, guest::name_of(task.place, task.first), same_name, task.first.type);
      }
      if (guest::reads_attributes(*decision.row)) return reply(request.id, read_attributes(call, decision));
      // remove
      int flags = decision.row->detail == 1 ? AT_REMOVEDIR : 0;
      if (decision.row->flags >= 0) flags = static_cast<int>(call.arg[decision.row->flags]);
      int result = ::unlinkat(AT_FDCWD, static_cast<const char*>(decision.blobs[0].data), flags);
      return reply(request.id, result == 0 ? 0 : -errno);
    }
    default:
      return reply(request.id, -ENOSYS);
  }
}

}  // namespace udocker::ptrace
