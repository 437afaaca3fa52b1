#include "ops/tree_walk.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

using Listing = std::unique_ptr<DIR, int (*)(DIR*)>;

// Names in a directory, in little memory: a million of them in one directory come in pieces.
class Names {
 public:
  void add(const char* name) {
    starts_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    bytes_.append(name, std::strlen(name) + 1);
  }
  void sort() {
    std::sort(starts_.begin(), starts_.end(), [this](std::uint32_t a, std::uint32_t b) { return std::strcmp(&bytes_[a], &bytes_[b]) < 0; });
  }
  bool is_full() const { return bytes_.size() >= kMost; }
  bool empty() const { return starts_.empty(); }
  std::size_t size() const { return starts_.size(); }
  const char* operator[](std::size_t i) const { return &bytes_[starts_[i]]; }

 private:
  static constexpr std::size_t kMost = 8u << 20;
  std::string bytes_;
  std::vector<std::uint32_t> starts_;
};

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

  // The next ones of a directory; empty at its end.
  Names names_in(DIR* listing, const WalkEntry& entry) {
    Names names;
    errno = 0;
    while (!names.is_full()) {
      dirent* found = ::readdir(listing);
      if (!found) break;
      if (std::strcmp(found->d_name, ".") != 0 && std::strcmp(found->d_name, "..") != 0) names.add(found->d_name);
    }
    if (errno != 0) throw_errno("list", shown(entry));
    if (order_ == WalkOrder::sorted) names.sort();
    return names;
  }

  void directory(WalkEntry& entry) {
    if (!entry.is_mount) {
      UniqueFd fd = open_directory(entry);
      if (!fd && errno != ENOENT) throw_errno("open directory", shown(entry));
      if (fd) {
        struct stat now {};
        bool opened_up = ::fstat(fd.get(), &now) == 0 && now.st_mode != entry.status.st_mode;
        int dir = fd.get();
        Listing listing(nullptr, ::closedir);
        ScopeExit restore([&] {
          if (opened_up) ::fchmod(dir, entry.status.st_mode & 07777);
        });
        listing.reset(::fdopendir(dir));
        if (!listing) throw_errno("list", shown(entry));
        fd.release();
        for (Names names = names_in(listing.get(), entry); !names.empty(); names = names_in(listing.get(), entry)) children(dir, names, entry);
      }
    }
    visitor_.leave(entry);
  }

  void children(int fd, const Names& names, const WalkEntry& parent) {
    WalkEntry entry;
    entry.dir = fd;
    for (std::size_t i = 0; i < names.size(); ++i) {
      entry.name = names[i];
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
