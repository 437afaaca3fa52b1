// Removing whole trees: by several threads when there is much, with few descriptors however deep the tree is.
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"
#include "util/team.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace udocker {

namespace {

constexpr std::size_t kManyDirectories = 24;  // waiting ones from which threads are worth their start
constexpr std::size_t kMostWaiting = 20000;    // they take memory
constexpr int kMostNested = 32;
constexpr unsigned kThreads = 8;  // also on few processors: most of the time goes by waiting for the disk or a file server
constexpr int kDeep = 60;  // deeper directories are first moved up to the top

using Entries = std::array<char, 64 << 10>;  // of a directory, several

struct RawEntry {  // as getdents64 fills it
  std::uint64_t ino;
  std::int64_t off;
  unsigned short length;
  unsigned char type;
  char name[1];
};

// A directory on its way out. It stays open until its last child is gone.
struct Node {
  std::shared_ptr<Node> parent;
  std::string name;
  int depth = 0;
  UniqueFd fd;
  std::atomic<int> pending{1};  // its own listing and each child directory
};

class Remover {
 public:
  explicit Remover(std::string shown) : shown_(std::move(shown)) {}

  void run(const std::shared_ptr<Node>& top) {
    top_ = top.get();
    push(top);
    Team helpers;
    work(&helpers);
    helpers.join();
    if (failure_) throw *failure_;
  }

 private:
  // Unless it must: false when there are too many already.
  bool push(std::shared_ptr<Node> node, bool must = true) {
    std::lock_guard hold(mutex_);
    if (!must && waiting_.size() >= kMostWaiting) return false;
    ++unfinished_;
    waiting_.push_back(std::move(node));
    changed_.notify_one();
    return true;
  }

  // `helpers`: where this thread, the first one, keeps those that it starts, once.
  void work(Team* helpers) {
    const auto buffer = std::make_unique_for_overwrite<Entries>();
    std::unique_lock hold(mutex_);
    while (true) {
      changed_.wait(hold, [this] { return !waiting_.empty() || unfinished_ == 0; });
      if (waiting_.empty()) return;
      if (helpers && waiting_.size() >= kManyDirectories)
        std::exchange(helpers, nullptr)->start_many(kThreads - 1, [this] { work(nullptr); });
      std::shared_ptr<Node> node = std::move(waiting_.back());
      waiting_.pop_back();
      hold.unlock();
      empty(node, *buffer);
      release(std::move(node));
      hold.lock();
      if (--unfinished_ == 0) changed_.notify_all();
    }
  }

  void fail(std::string_view operation, const std::string& name, int error) {
    std::lock_guard hold(mutex_);
    if (!failure_) failure_.emplace(operation, cat(printable(name), " in ", shown_), error);
  }

  bool open(Node& node) {
    int parent = node.parent ? node.parent->fd.get() : AT_FDCWD;
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    node.fd.reset(::openat(parent, node.name.c_str(), kFlags));
    if (!node.fd && errno == EACCES && ::fchmodat(parent, node.name.c_str(), 0700, 0) == 0)
      node.fd.reset(::openat(parent, node.name.c_str(), kFlags));
    if (node.fd) return true;
    if (errno != ENOENT) fail("open directory", node.name, errno);
    return false;
  }

  void empty(const std::shared_ptr<Node>& node, Entries& buffer, int nested = 0) {
    if (!node->fd && !open(*node)) return;
    bool opened_up = false;
    while (true) {
      long got = ::syscall(SYS_getdents64, node->fd.get(), buffer.data(), buffer.size());
      if (got < 0) return fail("read directory", node->name, errno);
      if (got == 0) return;
      for (long at = 0; at < got;) {
        auto* entry = reinterpret_cast<RawEntry*>(buffer.data() + at);
        at += entry->length;
        std::string_view name = entry->name;
        if (name == "." || name == "..") continue;
        if (entry->type != DT_DIR && remove_file(*node, entry->name, opened_up)) continue;
        descend(node, entry->name, opened_up, nested);
      }
    }
  }

  // False when it turns out to be a directory.
  bool remove_file(Node& node, const char* name, bool& opened_up) {
    if (::unlinkat(node.fd.get(), name, 0) == 0 || errno == ENOENT) return true;
    int error = errno;
    if (error == EACCES && !std::exchange(opened_up, true) && ::fchmod(node.fd.get(), 0700) == 0) {
      if (::unlinkat(node.fd.get(), name, 0) == 0) return true;
      error = errno;
    }
    struct stat st;
    if (::fstatat(node.fd.get(), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) return false;
    fail("remove", name, error);
    return true;
  }

  void descend(const std::shared_ptr<Node>& node, const char* name, bool& opened_up, int nested) {
    auto child = std::make_shared<Node>();
    child->parent = node;
    child->name = name;
    child->depth = node->depth + 1;
    if (child->depth > kDeep && top_->fd) {  // a name of its own right below the top: depth is no matter any more
      std::string moved = cat(".deep.", ::getpid(), ".", moved_.fetch_add(1));
      ::fchmodat(node->fd.get(), name, 0700, 0);
      if (!std::exchange(opened_up, true)) ::fchmod(node->fd.get(), 0700);
      if (::renameat(node->fd.get(), name, top_->fd.get(), moved.c_str()) == 0) {
        child->parent = top_owner(node);
        child->name = moved;
        child->depth = 1;
      }
    }
    child->parent->pending.fetch_add(1);
    if (!push(child, nested >= kMostNested)) {  // so many wait that this one is better emptied here
      const auto own = std::make_unique_for_overwrite<Entries>();
      empty(child, *own, nested + 1);
      release(std::move(child));
    }
  }

  static std::shared_ptr<Node> top_owner(std::shared_ptr<Node> node) {
    while (node->parent) node = node->parent;
    return node;
  }

  // One of the things a directory waited for is done; the last one removes it, and so on upwards.
  void release(std::shared_ptr<Node> node) {
    while (node && node->pending.fetch_sub(1) == 1) {
      node->fd.reset();
      int parent = node->parent ? node->parent->fd.get() : AT_FDCWD;
      if (::unlinkat(parent, node->name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        int error = errno;
        if (error != EACCES || ::fchmod(parent, 0700) != 0 || ::unlinkat(parent, node->name.c_str(), AT_REMOVEDIR) != 0)
          fail("remove", node->name, error);
      }
      node = node->parent;
    }
  }

  std::string shown_;
  Node* top_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Node>> waiting_;
  std::size_t unfinished_ = 0;
  std::atomic<unsigned> moved_{0};
  std::optional<SystemError> failure_;
};

}  // namespace

void remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  int error = errno;
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return;
    throw_errno("remove", path);
  }
  if (!S_ISDIR(st.st_mode)) throw SystemError("remove", path, error);
  auto top = std::make_shared<Node>();
  top->name = path;
  Remover(path).run(top);
}

}  // namespace udocker
