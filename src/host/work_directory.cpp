#include "host/work_directory.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::host {

namespace {

constexpr std::string_view kPrefix = ".udocker-work-";  // then the process id, then what makes the name unique
constexpr int kTries = 100;

bool is_same(int fd, const std::string& path) {
  struct stat open {}, named {};
  return ::fstat(fd, &open) == 0 && ::lstat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

void remove_quietly(const std::string& path) {
  try {
    remove_tree(path);
  } catch (const Error& error) {
    log::debug("work", error.what());
  }
}

}  // namespace

WorkDirectory::WorkDirectory(const std::string& parent) {
  collect_work_directories(parent);
  for (int i = 0; i < kTries; ++i) {
    std::string made = cat(parent, "/", kPrefix, ::getpid(), "-XXXXXX");
    if (!::mkdtemp(made.data())) return;
    // Before it is locked, another host may take it for one that was left: then there is a next one.
    UniqueFd fd(::open(made.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
      ::rmdir(made.c_str());
      return;
    }
    bool locked = ::flock(fd.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (!locked || !is_same(fd.get(), made)) continue;
    path_ = std::move(made);
    lock_ = std::move(fd);
    return;
  }
}

WorkDirectory::~WorkDirectory() {
  if (!path_.empty()) remove_quietly(path_);
}

std::size_t collect_work_directories(const std::string& parent) {
  std::size_t count = 0;
  try {
    for (const auto& name : list_directory(parent)) {
      if (!name.starts_with(kPrefix)) continue;
      auto owner = parse_number(split(name.substr(kPrefix.size()), '-').front());
      if (!owner || ::kill(static_cast<pid_t>(*owner), 0) == 0 || errno != ESRCH) continue;
      std::string path = cat(parent, "/", name);
      UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
      remove_tree(path);
      ++count;
    }
  } catch (const Error& error) {
    log::debug("work", error.what());
  }
  return count;
}

}  // namespace udocker::host
