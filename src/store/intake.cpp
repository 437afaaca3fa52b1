#include "store/intake.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace udocker::store {

// The name is one that Images::prune leaves alone as long as the lock beside it has a living owner.
Intake::Intake(const Directories& dirs, Hasher::Algorithm algorithm)
    : dirs_(dirs), prefix_(algorithm == Hasher::Algorithm::sha512 ? "sha512:" : "sha256:"), hasher_(algorithm) {
  std::string base = cat(dirs_.layers, "/.incoming-", unique_suffix());
  lock_.emplace(Lock::take(base + ".lock"));
  path_ = base + ".part";
  fd_ = open_fd(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
}

Intake::~Intake() {
  if (!pins_) ::unlink(path_.c_str());
}

void Intake::append(std::string_view bytes) {
  write_all(fd_.get(), bytes, path_);
  hasher_.update(bytes);
  size_ += bytes.size();
  lock_->refresh();
}

const std::string& Intake::seal() {
  if (digest_.empty()) {
    digest_ = prefix_ + hasher_.finish_hex();
    fd_.close_checked(path_);
  }
  return digest_;
}

void Intake::keep() {
  if (pins_) return;
  seal();
  Pins pins(dirs_, {digest_});
  std::string target = cat(dirs_.layers, "/", digest_);
  if (is_regular(target)) {
    ::unlink(path_.c_str());
  } else {
    UniqueFd fd = open_fd(path_, O_RDONLY);
    if (::fsync(fd.get()) != 0 && errno != EINVAL) throw_errno("sync", path_);
    if (::rename(path_.c_str(), target.c_str()) != 0) throw_errno("rename to", target);
    sync_directory(dirs_.layers);
  }
  path_ = target;
  pins_.emplace(std::move(pins));
  lock_.reset();
}

}  // namespace udocker::store
