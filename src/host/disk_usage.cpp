#include "host/disk_usage.hpp"

#include "util/fd.hpp"
#include "util/file.hpp"

#include <set>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace udocker::host {

namespace {

struct Walk {
  dev_t device;
  std::set<ino_t> seen;
  std::uint64_t blocks = 0;

  void directory(int parent, const char* name) {
    UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    DIR* stream = fd ? ::fdopendir(fd.get()) : nullptr;
    if (!stream) return;
    int dir = fd.release();
    ScopeExit close_stream([stream] { ::closedir(stream); });
    while (dirent* entry = ::readdir(stream)) {
      std::string_view child = entry->d_name;
      struct stat st;
      if (child == "." || child == ".." || ::fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (st.st_dev != device || (st.st_nlink > 1 && !S_ISDIR(st.st_mode) && !seen.insert(st.st_ino).second)) continue;
      blocks += static_cast<std::uint64_t>(st.st_blocks);
      if (S_ISDIR(st.st_mode)) directory(dir, entry->d_name);
    }
  }
};

}  // namespace

std::uint64_t disk_usage(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return 0;
  Walk walk{st.st_dev, {}};
  walk.directory(AT_FDCWD, path.c_str());
  return walk.blocks * 512;
}

}  // namespace udocker::host
