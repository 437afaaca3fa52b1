#include "engine/leftovers.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::engine {

namespace {

constexpr std::string_view kBindDir = "/.bind_host_files";

// "#etc#passwd" for /etc/passwd; nothing when a part would leave the root.
std::string decode(std::string name) {
  std::replace(name.begin(), name.end(), '#', '/');
  for (const auto& part : split(name, '/'))
    if (part == "..") return "";
  return name;
}

// Descriptor of the directory that holds the guest path, reached without following any link; empty when there is none.
UniqueFd open_parent(const std::string& root, const std::string& guest_path) {
  UniqueFd dir(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const auto& part : split(path_dirname(guest_path), '/'))
    if (dir && !part.empty()) dir = UniqueFd(::openat(dir.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return dir;
}

std::string link_target(int dir, const std::string& name) {
  char target[4096];
  ssize_t length = ::readlinkat(dir, name.c_str(), target, sizeof target);
  return length < 0 ? "" : std::string(target, static_cast<std::size_t>(length));
}

}  // namespace

bool has_file_binds(const std::string& container_dir) {
  return std::ranges::any_of(list_directory(container_dir + "/.bind_orig_files"),
                             [](const std::string& name) { return !decode(name).empty(); });
}

int restore_file_binds(const std::string& container_dir) {
  int restored = 0;
  std::string saved = container_dir + "/.bind_orig_files", root = container_dir + "/ROOT";
  for (const auto& name : list_directory(saved)) {
    std::string guest = decode(name), original = cat(saved, "/", name);
    UniqueFd dir = guest.empty() ? UniqueFd() : open_parent(root, guest);
    std::string base = path_basename(guest);
    struct stat st;
    bool absent = dir && ::fstatat(dir.get(), base.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
    bool bound = dir && link_target(dir.get(), base).starts_with(kBindDir);
    if (!absent && !bound) {
      remove_tree(original);
      continue;
    }
    if (::renameat(AT_FDCWD, original.c_str(), dir.get(), base.c_str()) != 0) {
      if (errno == ENOENT) continue;  // another run was faster
      throw_errno("restore", root + guest);
    }
    ++restored;
  }
  remove_tree(saved);
  if (!find_link(root + std::string(kBindDir))) remove_tree(root + std::string(kBindDir));
  return restored;
}

int purge_mountpoints(const std::string& container_dir) {
  int removed = 0;
  std::string records = container_dir + "/.mountpoints", root = container_dir + "/ROOT";
  for (const auto& name : list_directory(records)) {
    std::string guest = decode(name), ancestor = decode(find_link(cat(records, "/", name)).value_or(""));
    while (ancestor.size() > 1 && ancestor.ends_with('/')) ancestor.pop_back();
    while (guest.size() > 1 && guest != ancestor && starts_with_word(guest, ancestor.empty() ? "/" : ancestor)) {
      UniqueFd dir = open_parent(root, guest);
      std::string base = path_basename(guest);
      struct stat st;
      if (!dir || ::fstatat(dir.get(), base.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) break;
      bool empty_file = S_ISREG(st.st_mode) && st.st_size == 0;
      if (!empty_file && !S_ISDIR(st.st_mode)) break;  // a link or data: not what a run made
      if (::unlinkat(dir.get(), base.c_str(), S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0) break;
      ++removed;
      guest = path_dirname(guest);
    }
  }
  remove_tree(records);
  return removed;
}

}  // namespace udocker::engine
