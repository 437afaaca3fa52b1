#include "elf/disk.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::elf {

namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{4} << 30;
constexpr std::size_t kStep = 4096;

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

Mapped::Mapped(const std::string& path, Links links) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (links == Links::refuse ? O_NOFOLLOW : 0)));
  std::uint8_t magic[16];
  struct stat st;
  if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return;
  if (::pread(fd.get(), magic, sizeof magic, 0) != sizeof magic || !looks_like_elf(magic)) return;
  void* at = ::mmap(nullptr, static_cast<std::size_t>(st.st_size), PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (at == MAP_FAILED) return;
  bytes_ = {static_cast<const std::uint8_t*>(at), static_cast<std::size_t>(st.st_size)};
}

Mapped::~Mapped() {
  if (!bytes_.empty()) ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

OpenForChange::OpenForChange(std::string path) : path_(std::move(path)) {
  const char* name = path_.c_str();
  const auto open = [&] { return ::open(name, O_WRONLY | O_CLOEXEC | O_NONBLOCK); };
  if (::stat(name, &before_) != 0) throw_errno("cannot read", path_);
  fd_.reset(open());
  if (!fd_ && errno == EACCES && ::chmod(name, (before_.st_mode & 07777) | S_IWUSR) == 0) {
    opened_up_ = true;
    fd_.reset(open());
  }
  const int failure = errno;
  if (fd_ && ::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw Error("another program is changing " + path_);
  if (fd_) return;
  if (opened_up_) static_cast<void>(::chmod(name, before_.st_mode & 07777));
  throw SystemError("cannot write", path_, failure);
}

OpenForChange::~OpenForChange() {
  if (opened_up_) static_cast<void>(::fchmod(fd_.get(), before_.st_mode & 07777));
}

void OpenForChange::write(ByteView bytes, std::uint64_t offset) const {
  while (!bytes.empty()) {
    const ssize_t done = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw_errno("cannot write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::size_t>(done);
  }
}

void store_in_place(const std::string& path, ByteView before, ByteView after) {
  const OpenForChange file(path);
  const std::size_t common = std::min(before.size(), after.size());
  if (after.size() > before.size()) {
    try {
      file.write(after.subspan(common), common);
    } catch (...) {
      static_cast<void>(::ftruncate(file.fd(), static_cast<off_t>(before.size())));
      throw;
    }
  }
  for (std::size_t at = 0; at < common; at += kStep) {
    const std::size_t size = std::min(kStep, common - at);
    const ByteView chunk = after.subspan(at, size);
    if (!std::equal(chunk.begin(), chunk.end(), before.begin() + static_cast<std::ptrdiff_t>(at)))
      file.write(chunk, at);
  }
  if (after.size() < before.size() && ::ftruncate(file.fd(), static_cast<off_t>(after.size())) != 0)
    throw_errno("cannot shorten", path);
}

}  // namespace udocker::elf
