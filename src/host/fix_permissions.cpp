#include "host/fix_permissions.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::host {

namespace {

void open_up(int parent, const char* name, const std::string& shown) {
  struct stat st;
  if (::fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0) throw_errno("read", shown);
  if (S_ISLNK(st.st_mode)) return;
  mode_t wanted = S_ISDIR(st.st_mode) ? st.st_mode | 0700 : st.st_mode | 0600;
  if (wanted != st.st_mode && ::fchmodat(parent, name, wanted & 07777, 0) != 0) throw_errno("change the mode of", shown);
  if (!S_ISDIR(st.st_mode)) return;
  UniqueFd dir = open_fd_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  DIR* stream = ::fdopendir(dir.get());
  if (!stream) throw_errno("read directory", shown);
  int fd = dir.release();
  ScopeExit close_stream([stream] { ::closedir(stream); });
  while (dirent* entry = ::readdir(stream))
    if (std::string_view child = entry->d_name; child != "." && child != "..") open_up(fd, entry->d_name, cat(shown, "/", child));
}

}  // namespace

void fix_permissions(const std::string& root) { open_up(AT_FDCWD, root.c_str(), root); }

}  // namespace udocker::host
