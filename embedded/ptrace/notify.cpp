#include "embedded/ptrace/notify.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
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

void Notifier::start(int listener) {
  listener_ = listener;
  seccomp_notif_sizes sizes{};
  if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) sizes = {sizeof(seccomp_notif), sizeof(seccomp_notif_resp), 0};
  request_size_ = std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif));
  ::ioctl(listener_, kSetFlags, kSyncWakeUp);
  if (!launch(false)) throw SystemError("start a thread for", "the seccomp listener", EAGAIN);
}

std::unique_ptr<Notifier::Server> Notifier::make_server() const {
  auto server = std::make_unique_for_overwrite<Server>();
  const guest::Task& model = *engine_.task_;
  guest::Task& task = server->task;
  task.place.view = model.place.view;
  task.place.shared = model.place.shared;
  task.place.root_fd = model.place.root_fd;
  task.place.context = model.place.context;
  task.place.program_of = model.place.program_of;
  task.place.auxv_of = model.place.auxv_of;
  task.place.want_type = true;
  task.owners = model.owners;
  task.engine_pid = model.engine_pid;
  task.memory = &server->memory;
  return server;
}

bool Notifier::launch(bool helps) {
  auto server = make_server();
  server->helps = helps;
  try {
    std::thread([this, server = std::move(server)] { serve(*server); }).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

void Notifier::serve(Server& server) {
  constexpr unsigned kSample = 16;  // calls after which it is asked whether another one waits
  constexpr unsigned kAlone = 32;   // calls that nobody else was busy beside: one less is enough
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
    if (++server.calls % kSample == 0 && another_waits()) call_help();
    server.alone = busy_++ > 0 ? 0 : server.alone + 1;
    Outcome outcome = handle(server, request);
    --busy_;
    tell(request.id, outcome);
    if (server.helps && server.alone >= kAlone) rest(server);
  }
}

bool Notifier::another_waits() const {
  pollfd state{listener_, POLLIN, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & POLLIN);
}

void Notifier::call_help() {
  constexpr unsigned kMost = 3;
  std::lock_guard lock(mutex_);
  if (asleep_ > wanted_) {
    ++wanted_;
    wake_.notify_one();
  } else if (asleep_ == 0 && helpers_ < std::min(kMost, std::thread::hardware_concurrency() - 1)) {
    if (launch(true)) ++helpers_;
  }
}

void Notifier::rest(Server& server) {
  std::unique_lock lock(mutex_);
  ++asleep_;
  wake_.wait(lock, [this] { return wanted_ > 0; });
  --wanted_;
  --asleep_;
  server.alone = 0;
}

void Notifier::tell(uint64_t id, Outcome outcome) const {
  Reply room;
  auto& answer = room.answer;
  answer.id = id;
  if (outcome.kind == Outcome::Kind::descriptor) {
    seccomp_notif_addfd add{};
    add.id = id;
    add.flags = kSendWithDescriptor;
    add.srcfd = static_cast<uint32_t>(outcome.value);
    add.newfd_flags = static_cast<uint32_t>(outcome.flags);
    int error = ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 ? errno : 0;
    ::close(static_cast<int>(outcome.value));
    if (error == 0) return;
    answer.error = -error;
  } else if (outcome.kind == Outcome::Kind::run) {
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  } else if (outcome.value < 0 && outcome.value > -4096) {
    answer.error = static_cast<int>(outcome.value);
  } else {
    answer.val = outcome.value;
  }
  ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

Notifier::Outcome Notifier::open_file(guest::HostName name, int flags) {
  long fd = ::syscall(SYS_openat, name.directory, name.path, flags | O_CLOEXEC | O_NOCTTY);  // libc's asks for O_CLOEXEC twice
  if (fd < 0) return {.value = -errno};
  return {Outcome::Kind::descriptor, fd, flags & O_CLOEXEC};
}

Notifier::Outcome Notifier::open_for(const seccomp_notif& request, guest::HostName name, int flags, bool same_name, uint32_t type) {
  if (type == 0) {
    struct stat stat;
    int how = flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
    if (::fstatat(name.directory, name.path, &stat, how) == 0) type = stat.st_mode & S_IFMT;
  }
  // A device may become the opener's terminal: it opens it itself where it has the same name on the host.
  if (type == S_IFCHR && same_name) return {Outcome::Kind::run};
  bool may_block = type == S_IFIFO || type == S_IFCHR;
  if (!may_block || (flags & (O_NONBLOCK | O_PATH))) return open_file(name, flags);
  constexpr long kStartAgain = 512;  // ERESTARTSYS
  if (ask_to_open(static_cast<pid_t>(request.pid))) return {.value = -kStartAgain};
  try {
    std::thread([this, id = request.id, directory = name.directory, path = std::string(name.path), flags] {
      tell(id, open_file({directory, path.c_str()}, flags));
    }).detach();
    return {Outcome::Kind::later};
  } catch (const std::system_error&) {
    return {.value = -ENOMEM};
  }
}

// What may wait is opened by the program itself, so that signals end the wait or not by the kernel's own rules. A stop
// that it cannot block makes it start the call again, with the name changed (Engine::on_open_stop). False: it cannot.
bool Notifier::ask_to_open(pid_t tid) {
  std::lock_guard lock(engine_.mutex_);
  auto found = engine_.tracees_.find(tid);
  if (found == engine_.tracees_.end() || found->second->traced) return false;
  found->second->own_open = true;
  return ::syscall(SYS_tgkill, found->second->tgid, tid, SIGSTOP) == 0;
}

// getxattr, listxattr and their like of a host path, into the program's memory: the call's result.
long Notifier::read_attributes(Server& server, const guest::Call& call, const guest::Decision& decision) {
  constexpr uint64_t kMost = 65536;  // XATTR_SIZE_MAX, XATTR_LIST_MAX
  const void* path = decision.blobs[0].data;
  const bool lists = decision.row->detail == 2;
  const uint64_t place = call.arg[lists ? 1 : 2], size = std::min(call.arg[lists ? 2 : 3], kMost);
  char name[256];
  if (!lists) {
    long length = server.memory.read_text(call.arg[1], name, sizeof name);
    if (length == 0 || length == -ENAMETOOLONG) return -ERANGE;
    if (length < 0) return length;
  }
  if (server.attributes.size() < size) server.attributes.resize(size);
  long got = lists ? ::syscall(call.number, path, server.attributes.data(), size) : ::syscall(call.number, path, name, server.attributes.data(), size);
  if (got < 0) return -errno;
  long written = size && got ? server.memory.write(place, server.attributes.data(), static_cast<std::size_t>(got)) : 0;
  return written < 0 ? written : got;
}

// The engine is locked while it decides; what is done then, side by side with other threads, touches no tracee.
Notifier::Outcome Notifier::handle(Server& server, const seccomp_notif& request) {
  std::unique_lock lock(engine_.mutex_);
  auto found = engine_.tracees_.find(static_cast<pid_t>(request.pid));
  if (found == engine_.tracees_.end() || !found->second->place || !found->second->space) return {.value = -ENOSYS};
  Tracee& tracee = *found->second;
  tracee.call.abi = guest::kNativeAbi;
  tracee.call.number = request.data.nr;
  for (int i = 0; i < 6; ++i) tracee.call.arg[i] = request.data.args[i];
  engine_.set_clock();
  server.memory.attach(tracee.tid, 0, 0);
  guest::Task& task = server.task;
  task.place.pid = tracee.tgid;
  task.place.tid = tracee.tid;
  task.place.root = tracee.place->root.text();
  task.identity = &tracee.identity;
  task.chroot_to = &tracee.place->root;
  if (const guest::Row* row = guest::find_row(tracee.call.abi, tracee.call.number)) {
    engine_.replace_copies(tracee, *row, server.memory);
    if (tracee.own_open && row->op == guest::Op::open && tracee.call.arg[row->path] != request.data.args[row->path]) {
      tracee.own_open = false;
      return {Outcome::Kind::run};
    }
  }
  guest::translate(task, tracee.call, tracee.decision);
  const guest::Call call = tracee.call;
  const guest::Decision decision = tracee.decision;
  if (decision.extra_fd >= 0) engine_.keep_extra(decision.extra_fd, *decision.row);
  lock.unlock();
  switch (decision.action) {
    case guest::Action::pass:
      return {Outcome::Kind::run};
    case guest::Action::answer:
      return {.value = decision.answer};
    case guest::Action::rewrite: {
      if (decision.row->op == guest::Op::open) {
        bool same_name = task.input.text() == task.first.host.text();
        auto flags = static_cast<int>(call.arg[decision.row->path + 1]);
        return open_for(request, guest::name_of(task.place, task.first), flags, same_name, task.first.type);
      }
      if (guest::reads_attributes(*decision.row)) return {.value = read_attributes(server, call, decision)};
      // remove
      int flags = decision.row->detail == 1 ? AT_REMOVEDIR : 0;
      if (decision.row->flags >= 0) flags = static_cast<int>(call.arg[decision.row->flags]);
      int result = ::unlinkat(AT_FDCWD, static_cast<const char*>(decision.blobs[0].data), flags);
      return {.value = result == 0 ? 0 : -errno};
    }
    default:
      return {.value = -ENOSYS};
  }
}

}  // namespace udocker::ptrace
