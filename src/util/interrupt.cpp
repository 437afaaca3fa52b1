#include "util/interrupt.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace udocker {

namespace {

constexpr int kWatched[] = {SIGINT, SIGTERM, SIGHUP};
volatile std::sig_atomic_t g_pending = 0;

void wake(int) {}

// A thread that waits in a system call would not see the mark: every thread's call is made to return. Only what is
// safe in a signal handler is used.
void wake_all_threads() {
  int dir = ::open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) {
    ::syscall(SYS_tgkill, ::getpid(), ::getpid(), SIGURG);
    return;
  }
  alignas(8) char buffer[2048];
  for (long got; (got = ::syscall(SYS_getdents64, dir, buffer, sizeof buffer)) > 0;)
    for (long at = 0; at < got;) {
      unsigned short length;
      std::memcpy(&length, buffer + at + 16, sizeof length);
      int thread = 0;
      for (const char* c = buffer + at + 19; *c >= '0' && *c <= '9'; ++c) thread = thread * 10 + (*c - '0');
      if (thread > 0) ::syscall(SYS_tgkill, ::getpid(), thread, SIGURG);
      at += length;
    }
  ::close(dir);
}

void note(int signal) {
  int saved = errno;
  g_pending = signal;
  wake_all_threads();
  errno = saved;
}

}  // namespace

Interrupted::Interrupted() : Error("interrupted", 128 + g_pending) {}

void watch_interrupts() {
  for (int signal : kWatched) {
    struct sigaction action {}, old {};
    ::sigaction(signal, nullptr, &old);
    if (old.sa_handler != SIG_DFL) continue;
    action.sa_handler = note;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // blocking calls return, the second signal kills
    ::sigaction(signal, &action, nullptr);
  }
  struct sigaction quiet {};
  quiet.sa_handler = wake;
  ::sigaction(SIGURG, &quiet, nullptr);
}

void forget_interrupts() {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGURG}) {
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    if (now.sa_handler == note || now.sa_handler == wake) ::signal(signal, SIG_DFL);
  }
}

int pending_interrupt() { return g_pending; }

void check_interrupt() {
  if (g_pending) throw Interrupted();
}

void die_of_interrupt() {
  int signal = g_pending;
  ::signal(signal, SIG_DFL);
  sigset_t all;
  ::sigemptyset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);
}

}  // namespace udocker
