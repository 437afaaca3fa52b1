#include "embedded/launcher/terminal.hpp"

#include "host/mounts.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace udocker::launcher {

UniqueFd open_container_terminal(const oci::Process& process) {
  UniqueFd master(::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master) master.reset(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master) throw_errno("open a terminal in the container at", "/dev/pts/ptmx");
  int unlock = 0;
  unsigned number = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlock) != 0 || ::ioctl(master.get(), TIOCGPTN, &number) != 0)
    throw_errno("unlock", "the container's terminal");
  std::string path = cat("/dev/pts/", number);
  UniqueFd slave = open_fd(path, O_RDWR | O_NOCTTY);
  if (process.console_height || process.console_width) {
    winsize size{process.console_height, process.console_width, 0, 0};
    ::ioctl(master.get(), TIOCSWINSZ, &size);
  }
  (void)!::fchown(slave.get(), process.uid, static_cast<gid_t>(-1));
  if (::access("/dev/console", F_OK) == 0) ::mount(path.c_str(), "/dev/console", nullptr, MS_BIND, nullptr);
  for (int fd : {0, 1, 2})
    if (::dup2(slave.get(), fd) < 0) throw_errno("use", path);
  if (::ioctl(0, TIOCSCTTY, 0) != 0) throw_errno("make the controlling terminal of the container", path);
  return master;
}

void copy_window_size(int from, int to) {
  winsize size{};
  if (::ioctl(from, TIOCGWINSZ, &size) == 0) ::ioctl(to, TIOCSWINSZ, &size);
}

TerminalCopy::TerminalCopy(int master) : master_(master) {
  ::fcntl(master_, F_SETFL, O_NONBLOCK);
  if (::tcgetattr(0, &saved_) != 0) return;
  termios raw = saved_;
  ::cfmakeraw(&raw);
  raw_ = ::tcsetattr(0, TCSANOW, &raw) == 0;
  copy_window_size(0, master_);
}

TerminalCopy::~TerminalCopy() {
  if (raw_) ::tcsetattr(0, TCSANOW, &saved_);
}

bool TerminalCopy::copy_output() {
  char buffer[8192];
  ssize_t got = ::read(master_, buffer, sizeof buffer);
  if (got <= 0) return got < 0 && (errno == EINTR);
  for (ssize_t done = 0; done < got;) {
    ssize_t now = ::write(1, buffer + done, static_cast<std::size_t>(got - done));
    if (now < 0 && errno == EAGAIN) {
      pollfd ready{1, POLLOUT, 0};
      ::poll(&ready, 1, 1000);
    } else if (now < 0 && errno != EINTR) {
      return true;  // nobody reads any more; keep the program going
    } else if (now > 0) {
      done += now;
    }
  }
  return true;
}

bool TerminalCopy::wait(int other) {
  pollfd waits[3] = {{other, POLLIN, 0},
                     {output_open_ ? master_ : -1, static_cast<short>(POLLIN | (pending_.empty() ? 0 : POLLOUT)), 0},
                     {input_open_ && pending_.empty() ? 0 : -1, POLLIN, 0}};
  if (::poll(waits, 3, -1) < 0) return true;
  if (waits[1].revents & (POLLIN | POLLHUP | POLLERR)) {
    // EIO: every slave is closed; the program may have ended or only closed its terminal.
    if (!copy_output() && errno != EAGAIN) output_open_ = false;
  }
  if (waits[2].revents) {
    char buffer[4096];
    ssize_t got = ::read(0, buffer, sizeof buffer);
    if (got > 0) pending_.assign(buffer, static_cast<std::size_t>(got));
    else if (got == 0) {
      input_open_ = false;
      pending_ = "\x04";  // what the end of input is on a terminal
    }
  }
  if (!pending_.empty()) {
    ssize_t done = ::write(master_, pending_.data(), pending_.size());
    if (done > 0) pending_.erase(0, static_cast<std::size_t>(done));
    else if (errno != EAGAIN && errno != EINTR) pending_.clear(), input_open_ = false;
  }
  return !(waits[0].revents & POLLIN);
}

void TerminalCopy::drain() {
  while (output_open_ && copy_output()) {
  }
}

TerminalSettings::TerminalSettings() {
  for (int fd : {0, 1, 2})
    if (::tcgetattr(fd, &saved_) == 0 && ::tcgetpgrp(fd) == ::getpgrp()) {
      fd_ = fd;
      return;
    }
}

TerminalSettings::~TerminalSettings() {
  if (fd_ < 0) return;
  pid_t front = ::tcgetpgrp(fd_);
  bool ours = front == ::getpgrp() || (front > 0 && ::kill(-front, 0) != 0 && errno == ESRCH);
  termios now{};
  if (!ours || ::tcgetattr(fd_, &now) != 0) return;
  bool same = now.c_iflag == saved_.c_iflag && now.c_oflag == saved_.c_oflag && now.c_cflag == saved_.c_cflag &&
              now.c_lflag == saved_.c_lflag && std::memcmp(now.c_cc, saved_.c_cc, sizeof now.c_cc) == 0;
  if (same) return;
  sigset_t stop, before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTTOU);
  ::sigprocmask(SIG_BLOCK, &stop, &before);
  ::tcsetattr(fd_, TCSADRAIN, &saved_);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace udocker::launcher
