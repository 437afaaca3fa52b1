#include "host/foreground.hpp"

#include "util/error.hpp"
#include "util/log.hpp"
#include "util/process.hpp"

#include <cerrno>
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace udocker::host {

namespace {

volatile pid_t g_child = 0;

// The terminal sends SIGINT, SIGQUIT and SIGWINCH to the whole group, the child included: passing on what the
// kernel sent (si_code > 0) would deliver it twice.
void pass_on(int signal, siginfo_t* info, void*) {
  if (g_child > 0 && info->si_code <= 0) ::kill(g_child, signal);
}

constexpr int kPassed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGCONT, SIGPIPE};

}  // namespace

int run_foreground(const std::function<void()>& start) {
  log::flush();
  sigset_t passed, before;
  ::sigemptyset(&passed);
  for (int signal : kPassed) ::sigaddset(&passed, signal);
  ::sigprocmask(SIG_BLOCK, &passed, &before);
  pid_t child = ::fork();
  if (child < 0) throw_errno("start", "a process");
  if (child == 0) {
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    try {
      start();
    } catch (const Error& error) {
      log::error(error.what());
      ::_exit(error.exit_code());
    }
    ::_exit(1);
  }
  g_child = child;
  for (int signal : kPassed) {
    struct sigaction action {}, old {};
    action.sa_sigaction = pass_on;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    ::sigaction(signal, nullptr, &old);
    if (old.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  for (;;) {
    int status = 0;
    pid_t done = ::waitpid(child, &status, WUNTRACED);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw_errno("wait for", "the container");
    if (WIFSTOPPED(status)) {
      ::raise(SIGSTOP);
      ::kill(child, SIGCONT);
      continue;
    }
    g_child = 0;
    for (int signal : kPassed) ::signal(signal, SIG_DFL);
    return shell_status(status);
  }
}

}  // namespace udocker::host
