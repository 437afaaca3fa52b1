#include "embedded/launcher/supervise.hpp"

#include "embedded/launcher/terminal.hpp"
#include "util/fd.hpp"
#include "util/process.hpp"

#include <cerrno>
#include <memory>

#include <link.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::launcher {
namespace {

constexpr int kJobControl[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};
constexpr int kOwnFaults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};

int drop_pages(dl_phdr_info* info, size_t, void*) {
  const unsigned long page = static_cast<unsigned long>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_W)) continue;
    unsigned long first = (info->dlpi_addr + part.p_vaddr) & ~(page - 1);
    unsigned long last = (info->dlpi_addr + part.p_vaddr + part.p_memsz + page - 1) & ~(page - 1);
    ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  }
  return 0;
}

// Collects what has ended; true when the child itself is among it.
bool collect(const Supervision& supervision, int& status) {
  bool done = false;
  for (;;) {
    int one = 0;
    pid_t pid = ::waitpid(supervision.reap_all ? -1 : supervision.child, &one, WNOHANG);
    if (pid <= 0) return done || (pid < 0 && errno == ECHILD);
    if (pid == supervision.child) {
      status = shell_status(one);
      done = true;
    }
  }
}

void forward(const Supervision& supervision, const signalfd_siginfo& info) {
  int number = static_cast<int>(info.ssi_signo);
  if (number == SIGWINCH && supervision.terminal >= 0) return copy_window_size(0, supervision.terminal);
  bool from_kernel = info.ssi_code > 0;  // the terminal's, not a kill() by somebody
  if (from_kernel && !supervision.forward_terminal_signals) return;
  ::kill(supervision.child, number);
}

}  // namespace

sigset_t block_signals(bool keep_job_control) {
  sigset_t wanted, before;
  sigfillset(&wanted);
  for (int number : kOwnFaults) sigdelset(&wanted, number);
  if (keep_job_control)
    for (int number : kJobControl) sigdelset(&wanted, number);
  ::sigprocmask(SIG_BLOCK, &wanted, &before);
  return before;
}

void release_memory() { ::dl_iterate_phdr(drop_pages, nullptr); }

int supervise(const Supervision& supervision) {
  sigset_t all;
  sigfillset(&all);
  for (int number : kOwnFaults) sigdelset(&all, number);
  sigset_t blocked;
  ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
  for (int number : kJobControl)
    if (!sigismember(&blocked, number)) sigdelset(&all, number);
  UniqueFd signals(::signalfd(-1, &all, SFD_CLOEXEC));
  std::unique_ptr<TerminalCopy> copy;
  if (supervision.terminal >= 0) copy = std::make_unique<TerminalCopy>(supervision.terminal);
  // A program that ends at once is not worth giving back pages that its end needs again.
  constexpr int kShortRun = 20;  // milliseconds
  int status = 1;
  bool ended = collect(supervision, status);
  pollfd wait{signals.get(), POLLIN, 0};
  if (!ended && (copy || ::poll(&wait, 1, kShortRun) == 0)) release_memory();
  while (!ended) {
    if (copy && copy->wait(signals.get())) continue;
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo != SIGCHLD) {
      forward(supervision, info);
      continue;
    }
    ended = collect(supervision, status);
  }
  if (copy) copy->drain();
  return status;
}

}  // namespace udocker::launcher
