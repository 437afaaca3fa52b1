// Starting the first tracee, and the probe of the kernel's order of stops.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <poll.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "embedded/ptrace/engine.hpp"
#include "embedded/ptrace/notify.hpp"
#include "embedded/ptrace/placement.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker::ptrace {

namespace {

pid_t g_main = 0;  // read by the signal handler only

// A signal sent to us by kill is meant for the command; one from the terminal has reached it already.
void forward(int signal, siginfo_t* info, void*) {
  if (info->si_code <= 0 && g_main > 0) ::kill(g_main, signal);
}

void set_handlers(pid_t main) {
  g_main = main;
  struct sigaction action {};
  action.sa_sigaction = forward;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  for (int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGXCPU, SIGVTALRM, SIGPROF, SIGIO, SIGPWR})
    ::sigaction(signal, &action, nullptr);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) ::sigaction(signal, &action, nullptr);
  struct sigaction quiet {};
  quiet.sa_handler = SIG_DFL;
  quiet.sa_flags = SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &quiet, nullptr);
  action.sa_flags = SA_SIGINFO;  // our own timer too: without SA_RESTART the wait returns
  ::sigaction(SIGALRM, &action, nullptr);
}

[[noreturn]] void fail(int report, int stage, int error) {
  int message[2] = {stage, error};
  if (::write(report, message, sizeof message) < 0) ::_exit(126);
  ::_exit(127);
}

enum Stage { kStageFilter = 1, kStageDirectory, kStageExec, kStageReady };

// The listener's descriptor, 0 when none was wanted, -1 on failure.
int install(const guest::FilterSpec& spec) {
  const auto program = std::make_unique_for_overwrite<sock_filter[]>(guest::kFilterCapacity);
  size_t size = guest::build_filter(spec, program.get(), guest::kFilterCapacity);
  if (size == 0) return -1;
  sock_fprog filter{static_cast<unsigned short>(size), program.get()};
  if (spec.notify) return install_with_listener(&filter);
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kSpecAllow, &filter) == 0) return 0;
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

}  // namespace

std::string Engine::find_program(int* error) {
  const std::string& name = options_.argv[0];
  guest::Task& task = *task_;
  auto try_path = [&](const std::string& path) {
    long result = guest::resolve(task.place, task.work, AT_FDCWD, {path.data(), path.size()}, guest::Follow::yes, task.first);
    if (result == 0 && task.first.last == guest::Last::missing) result = -ENOENT;
    if (result == 0 && ::access(task.first.host.c_str(), X_OK) != 0) result = -errno;
    struct stat found;
    if (result == 0 && ::stat(task.first.host.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) result = -EACCES;
    *error = static_cast<int>(-result);
    return result == 0;
  };
  if (name.find('/') != std::string::npos) {
    std::string full = name.starts_with('/') ? name : cat(options_.workdir, "/", name);
    return try_path(full) ? name : std::string();
  }
  const char* path = std::getenv("PATH");
  int kept = ENOENT;
  for (const auto& directory : split(path && *path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ':')) {
    std::string full = cat(directory.empty() ? options_.workdir : directory, "/", name);
    if (full.starts_with('/') && try_path(full)) return full;
    if (*error == EACCES) kept = EACCES;
  }
  *error = kept;
  return {};
}

// The new process waits at the gate until it is traced, then confines itself and executes the command by its guest
// name, which the engine turns into the real one.
void Engine::child(const std::string& program, int gate, int report) {
  char byte;
  if (::read(gate, &byte, 1) != 1) ::_exit(126);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (options_.seccomp) {
    int ready[2] = {kStageReady, install(filter_)};
    if (ready[1] < 0) fail(report, kStageFilter, errno);
    // The engine takes its copy of the listener before the first call that needs it.
    if (::write(report, ready, sizeof ready) != sizeof ready || ::read(gate, &byte, 1) != 1) ::_exit(126);
  }
  if (::chdir(options_.workdir.c_str()) != 0) fail(report, kStageDirectory, errno);
  std::vector<char*> argv;
  for (auto& word : options_.argv) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execve(program.c_str(), argv.data(), environ);
  fail(report, kStageExec, errno);
}

void Engine::start() {
  guest::Task& task = *task_;
  task.place.pid = task.place.tid = ::getpid();
  if (options_.workdir.empty()) {
    guest::GuestPath cwd;
    bool inside = guest::guest_of_descriptor(task.place, task.work, AT_FDCWD, cwd) == 0;
    options_.workdir = inside ? cwd.c_str() : "/";
  }
  int error = 0;
  std::string program = find_program(&error);
  if (program.empty())
    throw Error(cat("cannot run ", printable(options_.argv[0]), ": ", error == ENOENT ? "not found in the root directory " : "",
                    error == ENOENT ? std::string(view_.root().data) : std::string(std::strerror(error))),
                error == ENOENT ? 127 : 126);
  int gate[2], report[2];
  if (::pipe2(gate, O_CLOEXEC) != 0 || ::pipe2(report, O_CLOEXEC) != 0) throw_errno("make", "a pipe");
  pid_t pid = ::fork();
  if (pid < 0) throw_errno("start", options_.argv[0]);
  if (pid == 0) {
    ::close(gate[1]);
    child(program, gate[0], report[1]);
  }
  ::close(gate[0]);
  ::close(report[1]);
  if (trace(PTRACE_SEIZE, pid, 0, kTraceOptions) != 0) {
    int reason = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    throw NotSupported(cat("this host does not allow ptrace: ", std::strerror(reason)),
                       "try another execution mode (udocker setup --execmode=F1 or R1), or ask for kernel.yama.ptrace_scope below 2");
  }
  main_ = pid;
  Tracee& tracee = find_or_add(pid);
  tracee.inherited = true;
  tracee.space = std::make_shared<Space>();
  tracee.space->stack_top = ~uint64_t{0} >> 1;
  tracee.space->scratch_failed = true;
  tracee.place = std::make_shared<Place>();
  tracee.place->root.assign("/");
  guest::start_identity(tracee.identity, view_.uid, view_.gid);
  set_handlers(pid);
  if (!options_.seccomp) {
    // Stops at every call begin with the first one after the gate.
    trace(PTRACE_INTERRUPT, pid, 0, 0);
    int status;
    ::waitpid(pid, &status, __WALL);
    trace(PTRACE_SYSCALL, pid, 0, 0);
  } else {
    // Kernels that know this request have the new order.
    constexpr long kGetSyscallInfo = 0x420e;
    char info[128];
    old_order_ = trace(kGetSyscallInfo, pid, sizeof info, info) < 0 && errno == EIO && probe_old_order();
  }
  report_fd_ = report[0];
  if (::write(gate[1], "", 1) != 1) throw_errno("start", options_.argv[0]);
  if (options_.seccomp) {
    int message[2];
    // The filter of an engine around us stops the process with SIGSYS: that is passed on, or nobody would go on.
    for (pollfd ready{report_fd_, POLLIN, 0}; ::poll(&ready, 1, 5) == 0;) {
      int status;
      bool stopped = ::waitpid(pid, &status, WNOHANG | __WALL) == pid && WIFSTOPPED(status);
      if (stopped) trace(PTRACE_CONT, pid, 0, status >> 16 ? 0 : WSTOPSIG(status));
    }
    if (::read(report_fd_, message, sizeof message) != sizeof message) throw Error("the first process ended early", 126);
    if (message[0] == kStageFilter)
      throw NotSupported(cat("this host does not allow seccomp filters: ", std::strerror(message[1])),
                         "try mode P2 (or --no-seccomp)");
    if (notifier_) take_listener(pid, message[1]);
    if (::write(gate[1], "", 1) != 1) throw_errno("start", options_.argv[0]);
  }
  ::close(gate[1]);
}

void Engine::take_listener(pid_t pid, int number) {
  int listener = descriptor_of(pid, number);
  int reason = errno;
  if (listener < 0) throw SystemError("take the listener of", options_.argv[0], reason);
  notifier_->start(listener);
}

// After the end: what the first process said about not getting as far as the command.
void Engine::check_start() {
  int message[2];
  ssize_t size = ::read(report_fd_, message, sizeof message);
  ::close(report_fd_);
  if (size != sizeof message || message[0] == kStageReady) return;
  std::string reason = std::strerror(message[1]);
  if (message[0] == kStageDirectory) throw Error(cat("cannot use the working directory ", printable(options_.workdir), ": ", reason), 1);
  std::string hint = message[1] == ENOEXEC ? " (is it made for another machine? see -q)" : "";
  throw Error(cat("cannot run ", printable(options_.argv[0]), ": ", reason, hint), message[1] == ENOENT ? 127 : 126);
}

bool probe_old_order() {
  pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) {
    sock_filter program[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
                             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    sock_fprog filter{4, program};
    trace(PTRACE_TRACEME, 0, 0, 0);
    ::raise(SIGSTOP);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    ::syscall(SYS_getppid);
    ::_exit(0);
  }
  int status;
  bool old = false;
  ::waitpid(pid, &status, 0);
  trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP);
  trace(PTRACE_CONT, pid, 0, 0);
  if (::waitpid(pid, &status, 0) == pid && status >> 16 == PTRACE_EVENT_SECCOMP) {
    trace(PTRACE_SYSCALL, pid, 0, 0);
    Registers registers;
    if (::waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && registers.load(pid)) old = registers.result() == -ENOSYS;
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, &status, 0);
  return old;
}

}  // namespace udocker::ptrace
