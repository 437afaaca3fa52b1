#include "ops/tree_copy.hpp"

#include "guest/owners.hpp"
#include "ops/tree_walk.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <map>
#include <vector>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr std::size_t kBuffer = 256 << 10;

bool is_side_store(const std::string& path) { return path.starts_with("owners") && path.find('/') == path.npos; }

class Copier : public TreeVisitor {
 public:
  Copier(const std::string& from, const std::string& to, Progress& progress)
      : from_(from), to_(to), progress_(progress), buffer_(kBuffer) {
    long opened = source_owners_.open((from + "/owners").c_str(), (from + "/ROOT").c_str(), guest::Owners::Mode::read_only);
    if (opened < 0 && opened != -ENOENT) throw SystemError("open owners of files in", from, static_cast<int>(-opened));
  }

  CopyResult result;

  bool enter(const WalkEntry& entry) override {
    if (entry.path.empty()) {
      stack_.push_back(open_fd(to_, O_RDONLY | O_DIRECTORY));
      return true;
    }
    bool exists = entry.path == "ROOT";
    if (!exists && ::mkdirat(stack_.back().get(), entry.name.c_str(), 0700) != 0) throw_errno("make directory", shown(entry));
    UniqueFd made = open_fd_at(stack_.back().get(), entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    stack_.push_back(std::move(made));
    return true;
  }

  void leave(const WalkEntry& entry) override {
    UniqueFd made = std::move(stack_.back());
    stack_.pop_back();
    if (entry.path.empty()) return;
    UniqueFd source(::openat(entry.dir, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (source) copy_attributes(source.get(), made.get());
    give_status(made.get(), entry);
    copy_owner(entry);
  }

  void visit(const WalkEntry& entry) override {
    if (is_side_store(entry.path) || S_ISSOCK(entry.status.st_mode)) return;
    progress_.add(0, 1);
    ++result.files;
    if (entry.status.st_nlink > 1 && link_to_known(entry)) return;
    switch (entry.status.st_mode & S_IFMT) {
      case S_IFREG: copy_file(entry); break;
      case S_IFLNK: copy_link(entry); break;
      default: copy_special(entry); break;
    }
    copy_owner(entry);
    if (entry.status.st_nlink > 1) known_[{entry.status.st_dev, entry.status.st_ino}] = entry.path;
  }

 private:
  std::string shown(const WalkEntry& entry) const { return cat(from_, "/", printable(entry.path)); }
  int target_dir() const { return stack_.back().get(); }

  bool link_to_known(const WalkEntry& entry) {
    auto known = known_.find({entry.status.st_dev, entry.status.st_ino});
    if (known == known_.end()) return false;
    if (::linkat(stack_.front().get(), known->second.c_str(), target_dir(), entry.name.c_str(), 0) == 0) return true;
    if (errno != EMLINK && errno != EPERM && errno != EOPNOTSUPP) throw_errno("make hard link", shown(entry));
    return false;
  }

  void give_status(int fd, const WalkEntry& entry) {
    if (entry.status.st_gid != own_gid_ && ::fchown(fd, static_cast<uid_t>(-1), entry.status.st_gid) != 0 && errno != EPERM)
      throw_errno("set group of the copy of", shown(entry));
    if (::fchmod(fd, entry.status.st_mode & 07777) != 0) throw_errno("set mode of the copy of", shown(entry));
    const timespec times[2] = {entry.status.st_atim, entry.status.st_mtim};
    ::futimens(fd, times);
  }

  // user.* and what else we may read and set; what is refused on the other side cannot be kept.
  void copy_attributes(int from, int to) {
    char names[4096];
    ssize_t size = ::flistxattr(from, names, sizeof names);
    for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::char_traits<char>::length(names + at)) + 1) {
      ssize_t length = ::fgetxattr(from, names + at, buffer_.data(), buffer_.size());
      if (length >= 0) ::fsetxattr(to, names + at, buffer_.data(), static_cast<std::size_t>(length), 0);
    }
  }

  UniqueFd open_source(const WalkEntry& entry) {
    constexpr int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    UniqueFd fd(::openat(entry.dir, entry.name.c_str(), flags));
    if (fd || errno != EACCES || entry.status.st_uid != ::geteuid()) {
      if (!fd) throw_errno("read", shown(entry));
      return fd;
    }
    if (::fchmodat(entry.dir, entry.name.c_str(), 0600, 0) != 0) throw_errno("read", shown(entry));
    fd.reset(::openat(entry.dir, entry.name.c_str(), flags));
    int error = errno;
    ::fchmodat(entry.dir, entry.name.c_str(), entry.status.st_mode & 07777, 0);
    if (!fd) throw SystemError("read", shown(entry), error);
    return fd;
  }

  void copy_file(const WalkEntry& entry) {
    UniqueFd from = open_source(entry);
    UniqueFd to = open_fd_at(target_dir(), entry.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    copy_content(from.get(), to.get(), entry);
    copy_attributes(from.get(), to.get());
    give_status(to.get(), entry);
    to.close_checked(shown(entry));
  }

  void copy_content(int from, int to, const WalkEntry& entry) {
    auto size = static_cast<std::uint64_t>(entry.status.st_size);
    if (size == 0) return;
    result.bytes += size;
    progress_.add(size);
    if (can_share_) {
      if (::ioctl(to, FICLONE, from) == 0) {
        ++result.shared;
        return;
      }
      can_share_ = false;
    }
    bool has_holes = static_cast<std::uint64_t>(entry.status.st_blocks) * 512 < size && size > 4096;
    if (!has_holes) return copy_range(from, to, 0, size, entry);
    off_t end = 0;
    while (true) {
      off_t data = ::lseek(from, end, SEEK_DATA);
      if (data < 0) break;
      end = ::lseek(from, data, SEEK_HOLE);
      if (end < 0) throw_errno("read", shown(entry));
      copy_range(from, to, static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(end - data), entry);
    }
    if (errno != ENXIO) return copy_range(from, to, 0, size, entry);
    if (::ftruncate(to, entry.status.st_size) != 0) throw_errno("set size of the copy of", shown(entry));
  }

  // Up to `length` bytes: a file that becomes shorter meanwhile is copied as it is then.
  void copy_range(int from, int to, std::uint64_t at, std::uint64_t length, const WalkEntry& entry) {
    auto in = static_cast<off_t>(at), out = in;
    while (length > 0) {
      if (can_copy_in_kernel_ && length > kBuffer) {
        ssize_t done = ::copy_file_range(from, &in, to, &out, std::min<std::uint64_t>(length, 1u << 30), 0);
        if (done == 0) return;
        if (done > 0) {
          length -= static_cast<std::uint64_t>(done);
          continue;
        }
        if (errno == ENOSPC || errno == EIO || errno == EDQUOT) throw_errno("copy", shown(entry));
        can_copy_in_kernel_ = false;
      }
      ssize_t got = ::pread(from, buffer_.data(), std::min<std::uint64_t>(length, buffer_.size()), in);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_errno("read", shown(entry));
      if (got == 0) return;
      for (ssize_t written = 0; written < got;) {
        ssize_t done = ::pwrite(to, buffer_.data() + written, static_cast<std::size_t>(got - written), out + written);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) throw_errno("write the copy of", shown(entry));
        written += done;
      }
      in += got;
      out += got;
      length -= static_cast<std::uint64_t>(got);
    }
  }

  void copy_link(const WalkEntry& entry) {
    ssize_t length = ::readlinkat(entry.dir, entry.name.c_str(), buffer_.data(), buffer_.size() - 1);
    if (length < 0) throw_errno("read link", shown(entry));
    buffer_[static_cast<std::size_t>(length)] = '\0';
    if (::symlinkat(buffer_.data(), target_dir(), entry.name.c_str()) != 0) throw_errno("copy link", shown(entry));
    finish_by_name(entry);
  }

  void copy_special(const WalkEntry& entry) {
    if (::mknodat(target_dir(), entry.name.c_str(), entry.status.st_mode & (S_IFMT | 07777), entry.status.st_rdev) != 0)
      throw_errno("copy special file", shown(entry));
    ::fchmodat(target_dir(), entry.name.c_str(), entry.status.st_mode & 07777, 0);
    finish_by_name(entry);
  }

  void finish_by_name(const WalkEntry& entry) {
    if (entry.status.st_gid != own_gid_)
      if (::fchownat(target_dir(), entry.name.c_str(), static_cast<uid_t>(-1), entry.status.st_gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != EPERM)
        throw_errno("set group of the copy of", shown(entry));
    const timespec times[2] = {entry.status.st_atim, entry.status.st_mtim};
    ::utimensat(target_dir(), entry.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }

  void copy_owner(const WalkEntry& entry) {
    const auto& status = entry.status;
    if (!source_owners_.is_open() || !starts_with_word(entry.path, "ROOT")) return;
    if (!source_owners_.knows_inode(status.st_dev, status.st_ino)) return;
    guest::FileKey from, to;
    guest::Owner owner;
    if (source_owners_.key_of(entry.dir, entry.name.c_str(), from) < 0 || !source_owners_.find(from, owner)) return;
    auto check = [&](long code) {
      if (code < 0) throw SystemError("note the owner of the copy of", shown(entry), static_cast<int>(-code));
    };
    if (!target_owners_.is_open())
      check(target_owners_.open((to_ + "/owners").c_str(), (to_ + "/ROOT").c_str(), guest::Owners::Mode::read_write));
    check(target_owners_.key_of(target_dir(), entry.name.c_str(), to));
    check(target_owners_.set(to, owner));
    char names[4096];
    long size = source_owners_.list_xattr(from, names, sizeof names);
    for (long at = 0; at < size;) {
      guest::Text name(names + at, std::char_traits<char>::length(names + at));
      long length = source_owners_.get_xattr(from, name, buffer_.data(), buffer_.size());
      if (length >= 0) check(target_owners_.set_xattr(to, name, buffer_.data(), static_cast<std::size_t>(length), 0));
      at += static_cast<long>(name.size) + 1;
    }
  }

  std::string from_, to_;
  Progress& progress_;
  std::vector<char> buffer_;
  std::vector<UniqueFd> stack_;  // directories of the copy, the top one first
  std::map<std::pair<dev_t, ino_t>, std::string> known_;
  guest::Owners source_owners_, target_owners_;
  gid_t own_gid_ = ::getegid();
  bool can_share_ = true, can_copy_in_kernel_ = true;
};

}  // namespace

CopyResult copy_container_tree(const std::string& from, const std::string& to, Progress& progress) {
  Copier copier(from, to, progress);
  walk_tree(from, WalkOrder::as_found, copier);
  return copier.result;
}

}  // namespace udocker::ops
