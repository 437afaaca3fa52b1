#include "embedded/launcher/copy_up.hpp"

#include "host/mounts.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::launcher {
namespace {

void copy_file(int from, int to, const char* name, std::string_view shown) {
  UniqueFd source(::openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  UniqueFd target(::openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!source || !target) throw_errno("copy up", cat(shown, "/", name));
  for (ssize_t got; (got = ::sendfile(target.get(), source.get(), nullptr, 1 << 20)) != 0;)
    if (got < 0 && errno != EINTR) throw_errno("copy up", cat(shown, "/", name));
}

void copy_link(int from, int to, const char* name, std::string_view shown) {
  char text[4096];
  ssize_t size = ::readlinkat(from, name, text, sizeof text);
  if (size < 0 || ::symlinkat(std::string(text, static_cast<std::size_t>(size)).c_str(), to, name) != 0)
    throw_errno("copy up", cat(shown, "/", name));
}

// Owner first: changing it clears set-id bits.
void copy_attributes(int to, const char* name, const struct stat& info) {
  (void)!::fchownat(to, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW);
  if (!S_ISLNK(info.st_mode)) ::fchmodat(to, name, info.st_mode & 07777, 0);
  const timespec times[2] = {info.st_atim, info.st_mtim};
  ::utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

}  // namespace

void copy_up(int from, int to, std::string_view shown) {
  for (const auto& name : list_directory(host::fd_path(from))) {
    struct stat info {};
    if (::fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      UniqueFd inner(::openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!inner || ::mkdirat(to, name.c_str(), 0700) != 0) throw_errno("copy up", cat(shown, "/", name));
      UniqueFd copy(::openat(to, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      copy_up(inner.get(), copy.get(), cat(shown, "/", name));
    } else if (S_ISREG(info.st_mode)) {
      copy_file(from, to, name.c_str(), shown);
    } else if (S_ISLNK(info.st_mode)) {
      copy_link(from, to, name.c_str(), shown);
    } else {
      continue;
    }
    copy_attributes(to, name.c_str(), info);
  }
}

}  // namespace udocker::launcher
