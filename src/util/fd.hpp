// Owner of one file descriptor.
#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace udocker {

// Closes on destruction, never throws there, never retries close (Linux frees the number even on EINTR).
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;
  // For files just written: close and throw SystemError when the file system reports a late error.
  void close_checked(std::string_view object);

 private:
  int fd_ = -1;
};

// Opens with O_CLOEXEC; throws SystemError naming the path.
UniqueFd open_fd(const std::string& path, int flags, unsigned mode = 0);
UniqueFd open_fd_at(int dir, const std::string& path, int flags, unsigned mode = 0);

// Lets this process open as many files as it may (the hard limit) while it lives; what is started later has the old limit.
class MoreOpenFiles {
 public:
  MoreOpenFiles();
  ~MoreOpenFiles();
  MoreOpenFiles(const MoreOpenFiles&) = delete;
  MoreOpenFiles& operator=(const MoreOpenFiles&) = delete;

 private:
  unsigned long before_ = 0;  // 0: nothing to set back
};

// At most `wanted`, and at most a quarter of what may be open at once.
std::size_t share_of_open_files(std::size_t wanted);

// Writes all bytes, retrying short writes and EINTR; throws SystemError naming `object`, Interrupted after a Ctrl-C.
void write_all(int fd, std::string_view bytes, std::string_view object);
// Reads up to `size` bytes, fewer only at the end of the file; throws SystemError naming `object`.
std::size_t read_full(int fd, void* buffer, std::size_t size, std::string_view object);

}  // namespace udocker
