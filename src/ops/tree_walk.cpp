#include "ops/tree_walk.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

class Walk {
 public:
  Walk(std::string root, WalkOrder order, TreeVisitor& visitor) : root_(std::move(root)), order_(order), visitor_(visitor) {}

  void run() {
    WalkEntry entry;
    entry.dir = AT_FDCWD;
    entry.name = root_;
    if (::lstat(root_.c_str(), &entry.status) != 0) throw_errno("look at", root_);
    if (!S_ISDIR(entry.status.st_mode)) throw SystemError("open", root_, ENOTDIR);
    device_ = entry.status.st_dev;
    if (visitor_.enter(entry)) directory(entry);
  }

 private:
  std::string shown(const WalkEntry& entry) const { return entry.path.empty() ? root_ : cat(root_, "/", printable(entry.path)); }

  UniqueFd open_directory(const WalkEntry& entry) {
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(::openat(entry.dir, entry.name.c_str(), flags));
    if (fd || errno != EACCES || entry.status.st_uid != ::geteuid()) return fd;
    if (::fchmodat(entry.dir, entry.name.c_str(), 0700, 0) != 0) return fd;
    fd.reset(::openat(entry.dir, entry.name.c_str(), flags));
    return fd;
  }

  std::vector<std::string> names_in(int fd, const WalkEntry& entry) {
    int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    std::unique_ptr<DIR, int (*)(DIR*)> listing(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
    if (!listing) {
      int error = errno;
      if (copy >= 0) ::close(copy);
      throw SystemError("list", shown(entry), error);
    }
    std::vector<std::string> names;
    errno = 0;
    while (dirent* found = ::readdir(listing.get()))
      if (std::strcmp(found->d_name, ".") != 0 && std::strcmp(found->d_name, "..") != 0) names.emplace_back(found->d_name);
    if (errno != 0) throw_errno("list", shown(entry));
    if (order_ == WalkOrder::sorted) std::sort(names.begin(), names.end());
    return names;
  }

  void directory(WalkEntry& entry) {
    if (!entry.is_mount) {
      UniqueFd fd = open_directory(entry);
      if (!fd && errno != ENOENT) throw_errno("open directory", shown(entry));
      if (fd) {
        struct stat now {};
        bool opened_up = ::fstat(fd.get(), &now) == 0 && now.st_mode != entry.status.st_mode;
        ScopeExit restore([&] {
          if (opened_up) ::fchmod(fd.get(), entry.status.st_mode & 07777);
        });
        children(fd.get(), entry);
      }
    }
    visitor_.leave(entry);
  }

  void children(int fd, const WalkEntry& parent) {
    WalkEntry entry;
    entry.dir = fd;
    for (auto& name : names_in(fd, parent)) {
      entry.name = std::move(name);
      entry.path = parent.path.empty() ? entry.name : cat(parent.path, "/", entry.name);
      if (::fstatat(fd, entry.name.c_str(), &entry.status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;
        throw_errno("look at", shown(entry));
      }
      entry.is_mount = entry.status.st_dev != device_;
      if (!S_ISDIR(entry.status.st_mode)) visitor_.visit(entry);
      else if (visitor_.enter(entry)) directory(entry);
    }
  }

  std::string root_;
  WalkOrder order_;
  TreeVisitor& visitor_;
  dev_t device_ = 0;
};

}  // namespace

void walk_tree(const std::string& root, WalkOrder order, TreeVisitor& visitor) {
  MoreOpenFiles every_level_costs_one;
  Walk(root, order, visitor).run();
}

}  // namespace udocker::ops
