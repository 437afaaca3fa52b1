#include "embedded/trap/supervisor.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <map>
#include <vector>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::trap {
namespace {

// The parent of a process by /proc/PID/stat; 0 when it is gone.
pid_t parent_of(pid_t pid) {
  try {
    auto text = find_file(cat("/proc/", std::to_string(pid), "/stat"));
    if (!text) return 0;
    std::size_t at = text->rfind(')');
    if (at == std::string::npos || at + 4 > text->size()) return 0;
    return static_cast<pid_t>(std::atoi(text->c_str() + at + 4));
  } catch (const Error&) {
    return 0;
  }
}

std::vector<pid_t> descendants() {
  std::map<pid_t, pid_t> parents;
  for (const std::string& name : list_directory("/proc"))
    if (pid_t pid = static_cast<pid_t>(std::atoi(name.c_str()))) parents[pid] = parent_of(pid);
  std::vector<pid_t> out;
  for (auto [pid, parent] : parents) {
    pid_t at = parent;
    for (int depth = 0; at > 1 && at != ::getpid() && depth < 1000; ++depth) at = parents.count(at) ? parents[at] : 0;
    if (at == ::getpid()) out.push_back(pid);
  }
  return out;
}

void reap(Leftovers leftovers) {
  if (leftovers == Leftovers::wait_for) {
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    return;
  }
  while (true) {
    pid_t gone = ::waitpid(-1, nullptr, WNOHANG);
    if (gone > 0) continue;
    if (gone < 0 && errno == ECHILD) return;
    for (pid_t pid : descendants()) ::kill(pid, SIGKILL);
    timespec pause{0, 2000000};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace

int supervise(const std::function<void()>& program, Leftovers leftovers) {
  sigset_t all, before;
  sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGTTIN, SIGTTOU}) sigdelset(&all, fault);
  ::sigprocmask(SIG_BLOCK, &all, &before);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid_t parent = ::getpid();
  pid_t child = ::vfork();  // in our memory, while this process waits until it executes the runtime: nothing is copied
  if (child < 0) throw_errno("start", "a process for the container");
  if (child == 0) {
    if (leftovers == Leftovers::kill) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
    }
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    try {
      program();
    } catch (const Error& error) {
      log::error(error.what());
      ::_exit(error.exit_code());
    }
    ::_exit(1);
  }
  while (true) {
    siginfo_t info{};
    int signal = ::sigwaitinfo(&all, &info);
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      // Signals of the terminal reach the child by themselves.
      if (info.si_code <= 0) ::kill(child, signal);
      else if (signal == SIGHUP) ::kill(child, signal);
      continue;
    }
    int status = 0;
    pid_t pid;
    while ((pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
      if (pid != child) continue;
      if (WIFSTOPPED(status)) {
        ::kill(::getpid(), SIGSTOP);
        ::kill(child, SIGCONT);
        continue;
      }
      reap(leftovers);
      return shell_status(status);
    }
  }
}

}  // namespace udocker::trap
