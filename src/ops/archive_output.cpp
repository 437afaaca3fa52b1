#include "ops/archive_output.hpp"

#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

constexpr std::size_t kHeld = 256 << 10;

ArchiveOutput::ArchiveOutput(const std::string& path, Existing existing, std::string what, std::optional<std::uint64_t> total)
    : name_(path == "-" ? "standard output" : path), progress_(std::move(what), total) {
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
    file_ = std::make_unique<AtomicFile>(path);
    fd_ = file_->fd();
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

void ArchiveOutput::commit() {
  flush();
  if (file_) file_->commit();
  else if (owned_) owned_.close_checked(name_);
}

}  // namespace udocker::ops
