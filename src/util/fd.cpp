#include "util/fd.hpp"

#include "util/error.hpp"
#include "util/interrupt.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace udocker {

void UniqueFd::reset(int fd) noexcept {
  int old = std::exchange(fd_, fd);
  if (old >= 0 && old != fd) {
    int saved = errno;
    ::close(old);
    errno = saved;
  }
}

void UniqueFd::close_checked(std::string_view object) {
  int fd = release();
  if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) throw_errno("close", object);
}

UniqueFd open_fd(const std::string& path, int flags, unsigned mode) {
  return open_fd_at(AT_FDCWD, path, flags, mode);
}

UniqueFd open_fd_at(int dir, const std::string& path, int flags, unsigned mode) {
  int fd;
  do {
    fd = ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) throw_errno("open", path);
  return UniqueFd(fd);
}

MoreOpenFiles::MoreOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  rlimit raised{limit.rlim_max, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) before_ = limit.rlim_cur;
}

MoreOpenFiles::~MoreOpenFiles() {
  rlimit limit{};
  if (before_ == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = before_;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t share_of_open_files(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  return std::min<std::size_t>(wanted, std::max<std::size_t>(2, limit.rlim_cur / 4));
}

void write_all(int fd, std::string_view bytes, std::string_view object) {
  while (!bytes.empty()) {
    check_interrupt();
    ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw_errno("write", object);
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
}

std::size_t read_full(int fd, void* buffer, std::size_t size, std::string_view object) {
  std::size_t have = 0;
  while (have < size) {
    check_interrupt();
    ssize_t got = ::read(fd, static_cast<char*>(buffer) + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read", object);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

}  // namespace udocker
