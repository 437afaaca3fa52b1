#include "util/write_back.hpp"

#include "util/error.hpp"

#include <cerrno>
#include <chrono>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace udocker {
namespace {

constexpr std::chrono::milliseconds kInterval(250);

}  // namespace

WriteBack::WriteBack(std::string path) : path_(std::move(path)), fd_(open_fd(path_, O_RDONLY)) {
  thread_.start([this] { run(); });
}

WriteBack::~WriteBack() { stop(); }

void WriteBack::finish() {
  stop();
  sync();
  if (error_ != 0) throw SystemError("sync", path_, error_);
}

void WriteBack::run() {
  std::unique_lock guard(mutex_);
  while (!wake_.wait_for(guard, kInterval, [this] { return ended_; })) {
    guard.unlock();
    sync();
    guard.lock();
  }
}

void WriteBack::sync() {
  if (::syncfs(fd_.get()) == 0 || errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP) return;
  if (error_ == 0) error_ = errno;
}

void WriteBack::stop() {
  {
    std::lock_guard guard(mutex_);
    ended_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

}  // namespace udocker
