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

WriteBack::WriteBack(std::string path)
    : path_(std::move(path)), fd_(open_fd(path_, O_RDONLY)), syncs_(kInterval, [this] { sync(); }) {}

void WriteBack::finish() {
  syncs_.stop();
  sync();
  if (error_ != 0) throw SystemError("sync", path_, error_);
}

void WriteBack::sync() {
  if (::syncfs(fd_.get()) == 0 || errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP) return;
  if (error_ == 0) error_ = errno;
}

}  // namespace udocker
