#include "elf/disk.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::elf {

namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{4} << 30;
constexpr std::size_t kStep = 4096;

void write_at(int fd, ByteView bytes, std::uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t done = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw_errno("cannot write", path);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::size_t>(done);
  }
}

}  // namespace

Bytes load_bytes(const std::string& path) {
  const UniqueFd fd = open_fd(path, O_RDONLY | O_NONBLOCK);
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) throw_errno("cannot read", path);
  if (!S_ISREG(st.st_mode)) throw IntegrityError("not a regular file: " + path);
  if (static_cast<std::uint64_t>(st.st_size) > kMaxFile) throw IntegrityError("file is too large: " + path);
  Bytes bytes(static_cast<std::size_t>(st.st_size));
  bytes.resize(read_full(fd.get(), bytes.data(), bytes.size(), path));
  return bytes;
}

void store_in_place(const std::string& path, ByteView before, ByteView after) {
  std::optional<mode_t> old_mode;
  int raw = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (raw < 0 && errno == ELOOP) raw = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (raw < 0 && errno == EACCES) {
    struct stat st;
    if (::stat(path.c_str(), &st) == 0 && ::chmod(path.c_str(), (st.st_mode & 07777) | S_IWUSR) == 0) {
      old_mode = st.st_mode & 07777;
      raw = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    } else {
      errno = EACCES;
    }
  }
  const int failure = errno;
  UniqueFd fd(raw);
  const ScopeExit mode_back([&] {
    if (old_mode) static_cast<void>(::chmod(path.c_str(), *old_mode));
  });
  if (!fd) throw SystemError("cannot write", path, failure);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw Error("another program is changing " + path);

  const std::size_t common = std::min(before.size(), after.size());
  if (after.size() > before.size()) {
    try {
      write_at(fd.get(), after.subspan(common), common, path);
    } catch (...) {
      static_cast<void>(::ftruncate(fd.get(), static_cast<off_t>(before.size())));
      throw;
    }
  }
  for (std::size_t at = 0; at < common; at += kStep) {
    const std::size_t size = std::min(kStep, common - at);
    const ByteView chunk = after.subspan(at, size);
    if (!std::equal(chunk.begin(), chunk.end(), before.begin() + static_cast<std::ptrdiff_t>(at)))
      write_at(fd.get(), chunk, at, path);
  }
  if (after.size() < before.size() && ::ftruncate(fd.get(), static_cast<off_t>(after.size())) != 0)
    throw_errno("cannot shorten", path);
  fd.close_checked(path);
}

}  // namespace udocker::elf
