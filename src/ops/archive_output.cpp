#include "ops/archive_output.hpp"

#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

constexpr std::size_t kHeld = 256 << 10;

static std::string proc_name(int fd) { return cat("/proc/self/fd/", fd); }

ArchiveOutput::ArchiveOutput(const std::string& path, Existing existing, std::string what, std::optional<std::uint64_t> total)
    : name_(path == "-" ? "standard output" : path), existing_(existing), progress_(std::move(what), total) {
  held_.reserve(kHeld);
  struct stat st {};
  if (path == "-") {
    if (::isatty(STDOUT_FILENO)) throw UsageError("refusing to write an archive to a terminal: use -o FILE or redirect the output");
    log::flush();
    fd_ = STDOUT_FILENO;
    ::fcntl(fd_, F_SETPIPE_SZ, 1 << 20);  // fails where it is no pipe
  } else if (::stat(path.c_str(), &st) == 0 && !S_ISREG(st.st_mode)) {
    owned_ = open_fd(path, O_WRONLY);
    fd_ = owned_.get();
  } else {
    if (existing == Existing::refuse && ::lstat(path.c_str(), &st) == 0) throw Error(cat("output file already exists: ", path));
    // A file without a name: nothing of it stays when we are killed.
    owned_.reset(::open(path_dirname(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666));
    is_unnamed_ = owned_ && path_exists(proc_name(owned_.get()));
    if (!is_unnamed_) {
      owned_.reset();
      file_ = std::make_unique<AtomicFile>(path);
    }
    fd_ = file_ ? file_->fd() : owned_.get();
  }
}

void ArchiveOutput::write(std::string_view bytes) {
  progress_.add(bytes.size());
  bool is_large = bytes.size() >= kHeld / 2;
  if (is_large || held_.size() + bytes.size() > kHeld) flush();
  if (is_large) write_all(fd_, bytes, name_);
  else held_ += bytes;
}

void ArchiveOutput::flush() {
  write_all(fd_, held_, name_);
  held_.clear();
}

int ArchiveOutput::flushed_fd() {
  flush();
  return fd_;
}

void ArchiveOutput::show_file() {
  std::string here = proc_name(fd_);
  auto link_as = [&](const std::string& path) {
    return ::linkat(AT_FDCWD, here.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  if (link_as(name_)) return;
  if (errno == EPERM || errno == EOPNOTSUPP || errno == EXDEV || errno == ENOENT) return copy_file();  // no hard links here
  if (errno != EEXIST) throw_errno("name the file", name_);
  if (existing_ == Existing::refuse) throw Error(cat("output file already exists: ", name_));
  std::string temporary = cat(name_, ".", ::getpid(), ".tmp");
  remove_file(temporary);
  if (!link_as(temporary)) throw_errno("name the file", temporary);
  if (::rename(temporary.c_str(), name_.c_str()) != 0) {
    int error = errno;
    remove_file(temporary);
    throw SystemError("replace", name_, error);
  }
}

void ArchiveOutput::copy_file() {
  UniqueFd from = open_fd(proc_name(fd_), O_RDONLY);
  AtomicFile copy(name_);
  std::string buffer(kHeld, '\0');
  while (std::size_t got = read_full(from.get(), buffer.data(), buffer.size(), name_)) copy.write({buffer.data(), got});
  copy.commit();
}

void ArchiveOutput::commit() {
  flush();
  if (file_) return file_->commit();
  if (is_unnamed_) show_file();
  if (owned_) owned_.close_checked(name_);
}

}  // namespace udocker::ops
