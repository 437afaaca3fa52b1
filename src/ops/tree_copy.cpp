#include "ops/tree_copy.hpp"

#include "guest/owners.hpp"
#include "ops/file_copy.hpp"
#include "ops/known_links.hpp"
#include "ops/tree_walk.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/strings.hpp"
#include "util/workers.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr std::size_t kMostJobs = 256;  // each may keep a directory and its copy open

bool is_side_store(const std::string& path) { return path.starts_with("owners") && path.find('/') == path.npos; }

// Owners from one side store to another, for files that are the same.
class OwnerCopier {
 public:
  OwnerCopier(const std::string& from, const std::string& to) : to_(to) {
    long opened = source_.open((from + "/owners").c_str(), (from + "/ROOT").c_str(), guest::Owners::Mode::read_only);
    if (opened < 0 && opened != -ENOENT) throw SystemError("open owners of files in", from, static_cast<int>(-opened));
  }

  // (dir, name) names the file here, (target_dir, name) its copy.
  void copy(const struct stat& status, int dir, int target_dir, const std::string& name, const std::string& shown) {
    if (!source_.is_open() || !source_.knows_inode(status.st_dev, status.st_ino)) return;
    guest::FileKey from, to;
    guest::Owner owner;
    if (source_.key_of(dir, name.c_str(), from) < 0 || !source_.find(from, owner)) return;
    auto check = [&](long code) {
      if (code < 0) throw SystemError("note the owner of the copy of", shown, static_cast<int>(-code));
    };
    std::lock_guard hold(mutex_);
    if (!target_.is_open()) check(target_.open((to_ + "/owners").c_str(), (to_ + "/ROOT").c_str(), guest::Owners::Mode::read_write));
    check(target_.key_of(target_dir, name.c_str(), to));
    check(target_.set(to, owner));
    if (++copied_ % 16 == 0) {
      source_.relax();
      target_.relax();
    }
    char names[4096], value[4096];
    long size = source_.list_xattr(from, names, sizeof names);
    for (long at = 0; at < size;) {
      guest::Text attribute(names + at, std::char_traits<char>::length(names + at));
      long length = source_.get_xattr(from, attribute, value, sizeof value);
      if (length >= 0) check(target_.set_xattr(to, attribute, value, static_cast<std::size_t>(length), 0));
      at += static_cast<long>(attribute.size) + 1;
    }
  }

 private:
  std::string to_;
  std::mutex mutex_;
  guest::Owners source_, target_;
  std::size_t copied_ = 0;
};

// A directory and its copy, open as long as somebody works in them. Its own attributes come when all is in it.
struct Level {
  UniqueFd from, to;
  std::size_t pending = 0;  // files on their way
  bool left = false;        // no more will come
  struct stat status {};
  std::string path;
};

struct Job {
  std::shared_ptr<Level> level;
  std::string name, path;
  struct stat status {};
};

class Copier : public TreeVisitor {
 public:
  Copier(const std::string& from, const std::string& to, Progress& progress, const std::function<void()>& tick)
      : from_(from),
        to_(to),
        progress_(progress),
        tick_(tick),
        owners_(from, to),
        files_(abilities_),
        workers_(std::clamp(std::thread::hardware_concurrency(), 2u, 8u), share_of_open_files(2 * kMostJobs) / 2, SIZE_MAX, [this] {
          auto files = std::make_shared<FileCopier>(abilities_);
          return [this, files](Job& job) { run_job(job, *files); };
        }) {}

  CopyResult run() {
    walk_tree(from_, WalkOrder::as_found, *this);
    workers_.drain();
    UniqueFd top = open_fd(to_, O_RDONLY | O_DIRECTORY);
    std::sort(closed_.rbegin(), closed_.rend());  // inner ones first
    for (const auto& [path, mode] : closed_)
      if (::fchmodat(top.get(), path.c_str(), mode, 0) != 0) throw_errno("set mode of the copy of", cat(from_, "/", printable(path)));
    result_.shared = abilities_.shared;
    return result_;
  }

  bool enter(const WalkEntry& entry) override {
    auto level = std::make_shared<Level>();
    level->status = entry.status;
    level->path = entry.path;
    if (entry.path.empty()) {
      level->to = open_fd(to_, O_RDONLY | O_DIRECTORY);
    } else {
      bool exists = entry.path == "ROOT";
      if (!exists && ::mkdirat(target_dir(), entry.name.c_str(), 0700) != 0) throw_errno("make directory", shown(entry.path));
      level->to = open_fd_at(target_dir(), entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      copy_owner(entry);
    }
    stack_.push_back(std::move(level));
    return true;
  }

  void leave(const WalkEntry& entry) override {
    auto level = std::move(stack_.back());
    stack_.pop_back();
    if (level->path.empty()) return;
    if (!level->from) level->from.reset(::openat(entry.dir, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    bool is_last;
    {
      std::lock_guard hold(mutex_);
      level->left = true;
      is_last = level->pending == 0;
    }
    if (is_last) finish(*level, files_);
  }

  void visit(const WalkEntry& entry) override {
    if (is_side_store(entry.path) || S_ISSOCK(entry.status.st_mode)) return;
    if (!stack_.back()->from) stack_.back()->from.reset(::fcntl(entry.dir, F_DUPFD_CLOEXEC, 3));
    if (!stack_.back()->from) throw_errno("open directory of", shown(entry.path));
    bool is_file = S_ISREG(entry.status.st_mode);
    if (is_file) result_.bytes += static_cast<std::uint64_t>(entry.status.st_size);
    progress_.add(is_file ? static_cast<std::uint64_t>(entry.status.st_size) : 0, 1);
    if (++result_.files % 64 == 0 && tick_) tick_();
    bool may_wait = (stack_.back()->status.st_mode & 0100) != 0;  // else the directory is open to us only now
    if (is_file && entry.status.st_nlink == 1 && may_wait) return queue(entry);
    if (entry.status.st_nlink > 1 && link_to_known(entry)) return;
    if (is_file) {
      copy_file({stack_.back(), entry.name, entry.path, entry.status}, files_);
    } else {
      if (S_ISLNK(entry.status.st_mode)) copy_link(entry);
      else copy_special(entry);
      copy_owner(entry);
    }
    if (entry.status.st_nlink > 1) known_.add(entry.status, entry.path);
  }

 private:
  std::string shown(const std::string& path) const { return cat(from_, "/", printable(path)); }
  int target_dir() const { return stack_.back()->to.get(); }

  void queue(const WalkEntry& entry) {
    {
      std::lock_guard hold(mutex_);
      ++stack_.back()->pending;
    }
    workers_.add({stack_.back(), entry.name, entry.path, entry.status});
  }

  void run_job(Job& job, FileCopier& files) {
    copy_file(job, files);
    bool is_last;
    {
      std::lock_guard hold(mutex_);
      is_last = --job.level->pending == 0 && job.level->left;
    }
    if (is_last) finish(*job.level, files);
  }

  bool link_to_known(const WalkEntry& entry) {
    auto known = known_.find(entry.status);
    if (!known) return false;
    if (::linkat(stack_.front()->to.get(), known->c_str(), target_dir(), entry.name.c_str(), 0) == 0) return true;
    if (errno != EMLINK && errno != EPERM && errno != EOPNOTSUPP) throw_errno("make hard link", shown(entry.path));
    return false;
  }

  void give_group(int dir, const char* name, const struct stat& status, const std::string& path) {
    if (status.st_gid == own_gid_) return;
    int flags = name[0] ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
    if (::fchownat(dir, name, static_cast<uid_t>(-1), status.st_gid, flags) != 0 && errno != EPERM)
      throw_errno("set group of the copy of", shown(path));
  }

  void give_status(int fd, const struct stat& status, mode_t mode, const std::string& path) {
    give_group(fd, "", status, path);
    if (::fchmod(fd, mode) != 0) throw_errno("set mode of the copy of", shown(path));
    const timespec times[2] = {status.st_atim, status.st_mtim};
    ::futimens(fd, times);
  }

  void finish(Level& level, FileCopier& files) {
    if (level.from) files.attributes(level.from.get(), level.to.get());
    mode_t mode = level.status.st_mode & 07777;
    // One that cannot be gone through stays open until all hard links are made.
    bool is_closed = (mode & 0300) != 0300;
    if (is_closed) {
      std::lock_guard hold(mutex_);
      closed_.emplace_back(level.path, mode);
    }
    give_status(level.to.get(), level.status, is_closed ? mode | 0700 : mode, level.path);
  }

  UniqueFd open_source(const Job& job) {
    constexpr int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int dir = job.level->from.get();
    UniqueFd fd(::openat(dir, job.name.c_str(), flags));
    if (fd || errno == ENOENT) return fd;
    if (errno != EACCES || job.status.st_uid != ::geteuid()) throw_errno("read", shown(job.path));
    if (::fchmodat(dir, job.name.c_str(), 0600, 0) != 0) throw_errno("read", shown(job.path));
    fd.reset(::openat(dir, job.name.c_str(), flags));
    int error = errno;
    ::fchmodat(dir, job.name.c_str(), job.status.st_mode & 07777, 0);
    if (!fd) throw SystemError("read", shown(job.path), error);
    return fd;
  }

  void copy_file(const Job& job, FileCopier& files) {
    UniqueFd from = open_source(job);
    if (!from) return;  // it vanished
    UniqueFd to = open_fd_at(job.level->to.get(), job.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    files.content(from.get(), to.get(), job.status, shown(job.path));
    files.attributes(from.get(), to.get());
    give_status(to.get(), job.status, job.status.st_mode & 07777, job.path);
    to.close_checked(shown(job.path));
    if (starts_with_word(job.path, "ROOT")) owners_.copy(job.status, job.level->from.get(), job.level->to.get(), job.name, shown(job.path));
  }

  void copy_link(const WalkEntry& entry) {
    char target[4096 + 1];
    ssize_t length = ::readlinkat(entry.dir, entry.name.c_str(), target, sizeof target - 1);
    if (length < 0) throw_errno("read link", shown(entry.path));
    target[length] = '\0';
    if (::symlinkat(target, target_dir(), entry.name.c_str()) != 0) throw_errno("copy link", shown(entry.path));
    finish_by_name(entry);
  }

  void copy_special(const WalkEntry& entry) {
    if (::mknodat(target_dir(), entry.name.c_str(), entry.status.st_mode & (S_IFMT | 07777), entry.status.st_rdev) != 0)
      throw_errno("copy special file", shown(entry.path));
    ::fchmodat(target_dir(), entry.name.c_str(), entry.status.st_mode & 07777, 0);
    finish_by_name(entry);
  }

  void finish_by_name(const WalkEntry& entry) {
    give_group(target_dir(), entry.name.c_str(), entry.status, entry.path);
    const timespec times[2] = {entry.status.st_atim, entry.status.st_mtim};
    ::utimensat(target_dir(), entry.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }

  void copy_owner(const WalkEntry& entry) {
    if (starts_with_word(entry.path, "ROOT")) owners_.copy(entry.status, entry.dir, target_dir(), entry.name, shown(entry.path));
  }

  std::string from_, to_;
  Progress& progress_;
  const std::function<void()>& tick_;
  OwnerCopier owners_;
  CopyAbilities abilities_;
  FileCopier files_;  // of the caller's thread
  CopyResult result_;
  std::vector<std::shared_ptr<Level>> stack_;  // the top one first
  KnownLinks known_;
  gid_t own_gid_ = ::getegid();

  std::mutex mutex_;  // of what the levels count, and:
  std::vector<std::pair<std::string, mode_t>> closed_;
  Workers<Job> workers_;
};

}  // namespace

CopyResult copy_container_tree(const std::string& from, const std::string& to, Progress& progress, const std::function<void()>& tick) {
  return Copier(from, to, progress, tick).run();
}

}  // namespace udocker::ops
