#include "engine/fmode_scan.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/team.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::engine {

namespace {

// Directories still to be read, shared by all threads; the walk ends when none is left and none is being read.
class Walk {
 public:
  Walk(const std::string& root, dev_t device) : root_(root), device_(device), user_(::geteuid()) { open_.push_back(""); }

  void work() {
    TreeScan found;
    std::vector<std::pair<ino_t, std::string>> multiple;
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !open_.empty() || busy_ == 0; });
      if (open_.empty()) break;
      const std::string directory = std::move(open_.back());
      open_.pop_back();
      busy_++;
      lock.unlock();
      std::vector<std::string> below;
      read(directory, found, multiple, below);
      lock.lock();
      busy_--;
      for (std::string& name : below) open_.push_back(std::move(name));
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    const auto move_to = [](auto& from, auto& to) {
      to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    };
    move_to(found.links, result_.links);
    move_to(found.programs, result_.programs);
    move_to(found.library_dirs, result_.library_dirs);
    move_to(multiple, multiple_);
  }

  TreeScan take() {
    std::sort(multiple_.begin(), multiple_.end());
    ino_t last = 0;
    for (auto& [inode, path] : multiple_)
      if (std::exchange(last, inode) != inode) result_.programs.push_back(std::move(path));
    std::sort(result_.programs.begin(), result_.programs.end());
    std::sort(result_.library_dirs.begin(), result_.library_dirs.end());
    std::sort(result_.links.begin(), result_.links.end(),
              [](const ScannedLink& a, const ScannedLink& b) { return a.path < b.path; });
    return std::move(result_);
  }

 private:
  void read(const std::string& directory, TreeScan& found, std::vector<std::pair<ino_t, std::string>>& multiple,
            std::vector<std::string>& below) {
    const std::string full = directory.empty() ? root_ : root_ + "/" + directory;
    DIR* stream = ::opendir(full.c_str());
    if (stream == nullptr) return;
    const int fd = ::dirfd(stream);
    bool libraries = false;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat st;
      if (::fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
      std::string path = directory.empty() ? std::string(name) : directory + "/" + std::string(name);
      if (is_library_name(std::string(name)) && !S_ISDIR(st.st_mode)) libraries = true;
      if (S_ISDIR(st.st_mode)) {
        if (st.st_dev == device_) below.push_back(std::move(path));
      } else if (st.st_uid != user_) {
        continue;
      } else if (S_ISLNK(st.st_mode)) {
        char target[4097];
        const ssize_t size = ::readlinkat(fd, entry->d_name, target, sizeof target);
        if (size > 0 && target[0] == '/') found.links.push_back({std::move(path), std::string(target, size)});
      } else if (S_ISREG(st.st_mode) && st.st_size >= 52 &&
                 ((st.st_mode & 0111) != 0 || name.find(".so") != std::string_view::npos)) {
        if (st.st_nlink == 1) found.programs.push_back(std::move(path));
        else multiple.emplace_back(st.st_ino, std::move(path));
      }
    }
    ::closedir(stream);
    if (libraries) found.library_dirs.push_back(directory);
  }

  const std::string& root_;
  const dev_t device_;
  const uid_t user_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> open_;
  unsigned busy_ = 0;
  TreeScan result_;
  std::vector<std::pair<ino_t, std::string>> multiple_;
};

}  // namespace

unsigned fmode_threads(unsigned wanted) {
  if (wanted != 0) return std::min(wanted, 64u);
  return std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
}

bool is_library_name(const std::string& name) {
  if (!name.starts_with("lib")) return false;
  const std::size_t at = name.find(".so");
  if (at == std::string::npos) return false;
  return name.find_first_not_of("0123456789.", at + 3) == std::string::npos && (at + 3 == name.size() || name[at + 3] == '.');
}

TreeScan scan_tree(const std::string& root, unsigned threads) {
  struct stat st;
  if (::stat(root.c_str(), &st) != 0) throw_errno("cannot read", root);
  Walk walk(root, st.st_dev);
  Team team;
  team.start_many(fmode_threads(threads) - 1, [&] { walk.work(); });
  walk.work();
  team.join();
  return walk.take();
}

void for_each_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto loop = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  Team team;
  if (count > 1) team.start_many(static_cast<unsigned>(std::min<std::size_t>(fmode_threads(threads), count)) - 1, loop);
  loop();
  team.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace udocker::engine
