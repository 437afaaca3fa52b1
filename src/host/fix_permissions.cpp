#include "host/fix_permissions.hpp"

#include "host/idmap.hpp"
#include "host/users.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

namespace {

// Ids of the caller and of its ranges as 0, 1, 2 … of a user namespace; empty without a range.
std::vector<IdRange> own_ids(const char* file, std::uint32_t self, const std::string& name, std::uint32_t number) {
  auto range = find_subordinate_range(find_file(file).value_or(""), name, number);
  if (!range) return {};
  return {{0, self, 1}, {1, range->outside, range->size}};
}

void give_to_root(int parent, const char* name) {
  if (::fchownat(parent, name, 0, 0, AT_SYMLINK_NOFOLLOW) != 0) return;  // a foreign file: open_up will name it
  UniqueFd dir(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  DIR* stream = dir ? ::fdopendir(dir.get()) : nullptr;
  if (!stream) return;
  int fd = dir.release();
  while (dirent* entry = ::readdir(stream))
    if (std::string_view child = entry->d_name; child != "." && child != "..") give_to_root(fd, entry->d_name);
  ::closedir(stream);
}

// In a user namespace that holds the user's ranges, files of those ids can be given to the user.
void take_back(const std::string& root, const std::vector<IdRange>& uids, const std::vector<IdRange>& gids) {
  int ready[2], go[2];
  if (::pipe2(ready, O_CLOEXEC) != 0 || ::pipe2(go, O_CLOEXEC) != 0) throw_errno("create", "pipe");
  UniqueFd ready_in(ready[0]), ready_out(ready[1]), go_in(go[0]), go_out(go[1]);
  pid_t child = ::fork();
  if (child < 0) throw_errno("start", "a process");
  if (child == 0) {
    char byte = 0;
    go_out.reset();
    if (::unshare(CLONE_NEWUSER) != 0 || ::write(ready_out.get(), "r", 1) != 1 || ::read(go_in.get(), &byte, 1) != 1) ::_exit(1);
    if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) ::_exit(1);
    give_to_root(AT_FDCWD, root.c_str());
    ::_exit(0);
  }
  ScopeExit reap([child] { ::waitpid(child, nullptr, 0); });
  ready_out.reset();
  char byte = 0;
  if (::read(ready_in.get(), &byte, 1) == 1) {
    ScopeExit let_go([&go_out] { go_out.reset(); });
    write_child_maps(child, uids, gids);
    if (::write(go_out.get(), "g", 1) != 1) throw_errno("start", "a process");
  }
  go_out.reset();
}

}  // namespace

void fix_permissions(const std::string& root) {
  User self = current_user();
  auto uids = own_ids("/etc/subuid", ::getuid(), self.name, ::getuid());
  auto gids = own_ids("/etc/subgid", ::getgid(), self.name, ::getuid());
  if (!uids.empty() && !gids.empty()) {
    try {
      take_back(root, uids, gids);
    } catch (const Error& error) {  // without namespaces the user's own files are put right all the same
      log::debug("fixperm", error.what());
    }
  }
  open_up(AT_FDCWD, root.c_str(), root);
}

}  // namespace udocker::host
