#include "archive/stream.hpp"

#include "util/team.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>

#include <fcntl.h>

namespace udocker::archive {

namespace {

constexpr std::size_t kPiece = 256 << 10;
constexpr std::size_t kAhead = 8;

// Copies pieces into a ring of buffers in a thread; where there may be none, it is the input itself.
class ThreadedInput : public Input {
 public:
  explicit ThreadedInput(std::unique_ptr<Input> from) : from_(std::move(from)) {
    thread_.start([this] { produce(); });
  }
  ~ThreadedInput() override {
    {
      std::lock_guard hold(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::string_view next() override {
    if (thread_.empty()) return from_->next();
    std::unique_lock hold(mutex_);
    if (in_use_) {
      in_use_ = false;
      ++free_;
      read_ = (read_ + 1) % kAhead;
      changed_.notify_all();
    }
    changed_.wait(hold, [this] { return free_ < kAhead || done_; });
    if (free_ == kAhead) {
      if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
      return {};
    }
    in_use_ = true;
    return ring_[read_];
  }

 private:
  void produce() {
    try {
      std::string_view piece;
      std::size_t write = 0;
      while (true) {
        {
          std::unique_lock hold(mutex_);
          changed_.wait(hold, [this] { return free_ > 0 || stop_; });
          if (stop_) return;
        }
        std::string& slot = ring_[write];
        if (slot.capacity() < kPiece) slot.reserve(kPiece);
        slot.clear();
        while (slot.size() < kPiece) {
          if (piece.empty()) piece = from_->next();
          if (piece.empty()) break;
          std::size_t take = std::min(piece.size(), kPiece - slot.size());
          slot.append(piece.substr(0, take));
          piece.remove_prefix(take);
        }
        std::lock_guard hold(mutex_);
        if (slot.empty()) {
          done_ = true;
          changed_.notify_all();
          return;
        }
        --free_;
        write = (write + 1) % kAhead;
        changed_.notify_all();
      }
    } catch (...) {
      std::lock_guard hold(mutex_);
      failure_ = std::current_exception();
      done_ = true;
      changed_.notify_all();
    }
  }

  std::unique_ptr<Input> from_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string ring_[kAhead];
  std::size_t free_ = kAhead, read_ = 0;
  bool in_use_ = false, done_ = false, stop_ = false;
  std::exception_ptr failure_;
  Team thread_;
};

}  // namespace

FdInput::FdInput(UniqueFd fd, std::string name)
    : owned_(std::move(fd)), fd_(owned_.get()), name_(std::move(name)), buffer_(kPiece) {}
FdInput::FdInput(int fd, std::string name) : fd_(fd), name_(std::move(name)), buffer_(kPiece) {}

std::unique_ptr<FdInput> FdInput::open(const std::string& path) {
  UniqueFd fd = open_fd(path, O_RDONLY);
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::make_unique<FdInput>(std::move(fd), path);
}

std::string_view FdInput::next() { return {buffer_.data(), read_full(fd_, buffer_.data(), buffer_.size(), name_)}; }

std::string_view DigestInput::next() {
  std::string_view piece = from_->next();
  hasher_.update(piece);
  bytes_ += piece.size();
  if (piece.empty() && check_) std::exchange(check_, nullptr)(hasher_.finish_hex());
  return piece;
}

std::unique_ptr<Input> threaded(std::unique_ptr<Input> from) { return std::make_unique<ThreadedInput>(std::move(from)); }

}  // namespace udocker::archive
