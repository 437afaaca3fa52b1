// Absolute symbolic links of a container's tree, to host paths and back.
#include "engine/fmode_parts.hpp"

#include "guest/owners.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::engine {

namespace {

// The part of a target that looks like the root of some container; empty when there is none.
std::string recognised_root(const std::string& target) {
  const std::size_t containers = target.find("/containers/");
  if (containers == std::string::npos) return {};
  const std::size_t id = target.find('/', containers + 12);
  if (id == std::string::npos || target.compare(id, 5, "/ROOT") != 0) return {};
  return id + 5 == target.size() || target[id + 5] == '/' ? target.substr(0, id + 5) : std::string();
}

std::string origin(const std::string& target, const std::string& old_root) {
  return old_root.empty() ? recognised_root(target) : old_root;
}

// A directory's write permission and times, as they were before its entries were replaced.
void give_back(const std::string& path, const struct stat& before) {
  const timespec times[2] = {before.st_atim, before.st_mtim};
  static_cast<void>(::utimensat(AT_FDCWD, path.c_str(), times, 0));
  struct stat now;
  if (::stat(path.c_str(), &now) == 0 && ((now.st_mode ^ before.st_mode) & 07777) != 0)
    static_cast<void>(::chmod(path.c_str(), before.st_mode & 07777));
}

class Directory {
 public:
  Directory(std::string path, Pending& pending) : path_(std::move(path)), known_(::stat(path_.c_str(), &before_) == 0) {
    if (!known_) return;
    const mode_t mode = before_.st_mode;
    if (const struct stat* first = pending.find(path_)) before_ = *first;
    else pending.add(path_, before_);
    if ((mode & S_IWUSR) == 0) static_cast<void>(::chmod(path_.c_str(), (mode & 07777) | S_IWUSR));
  }
  ~Directory() {
    if (known_) give_back(path_, before_);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

 private:
  std::string path_;
  struct stat before_;
  bool known_;
};

// Replaces a link by one with another target, keeping its times and group, and what the side store says of it; 0 or
// errno.
int replace_link(const std::string& path, const std::string& target, guest::Owners& owners) {
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0) return errno;
  guest::FileKey old_key, new_key;
  guest::Owner owner;
  const bool owned = owners.is_open() && owners.knows_inode(st.st_dev, st.st_ino) &&
                     owners.key_of(AT_FDCWD, path.c_str(), old_key) == 0 && owners.find(old_key, owner);
  const std::string temporary = path + ".udocker-link";
  if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) return errno;
  if (::symlink(target.c_str(), temporary.c_str()) != 0) return errno;
  static_cast<void>(::lchown(temporary.c_str(), st.st_uid, st.st_gid));
  const timespec times[2] = {st.st_atim, st.st_mtim};
  static_cast<void>(::utimensat(AT_FDCWD, temporary.c_str(), times, AT_SYMLINK_NOFOLLOW));
  if (owned && owners.key_of(AT_FDCWD, temporary.c_str(), new_key) == 0) owners.set(new_key, owner);
  if (::rename(temporary.c_str(), path.c_str()) == 0) {
    if (owned) owners.remove(old_key);
    return 0;
  }
  const int failure = errno;
  ::unlink(temporary.c_str());
  return failure;
}

template <typename Target>
std::size_t change_links(const std::string& root, const std::vector<ScannedLink>& links, const Target& wanted,
                         Pending& pending, std::vector<std::string>& failures) {
  guest::Owners owners;
  const std::string store = path_dirname(root) + "/owners";
  if (path_exists(store)) static_cast<void>(owners.open(store.c_str(), root.c_str(), guest::Owners::Mode::read_write));
  std::size_t changed = 0;
  std::string open;
  std::unique_ptr<Directory> directory;
  for (const ScannedLink& link : links) {
    const std::string path = cat(root, "/", link.path);
    if (link.path.ends_with(".udocker-link")) {  // left by a change that was killed
      ::unlink(path.c_str());
      continue;
    }
    const std::string target = wanted(link.target);
    if (target == link.target) continue;
    const std::string parent = path_dirname(path);
    if (!directory || parent != open) {
      directory.reset();
      directory = std::make_unique<Directory>(parent, pending);
      open = parent;
    }
    if (const int failure = replace_link(path, target, owners); failure == 0) changed++;
    else failures.push_back(cat("cannot change the link ", printable(path), ": ", std::strerror(failure)));
  }
  return changed;
}

}  // namespace

Pending::Pending(std::string path, const std::string& title) : path_(std::move(path)) {
  if (const auto left = find_file(path_, 64 << 20)) {
    const std::size_t start = left->find('\n');
    std::vector<std::string> records = split(start == std::string::npos ? "" : left->substr(start + 1), '\0');
    records.pop_back();  // empty, or cut by a kill before anything of that directory changed
    for (const std::string& record : records) {
      struct stat st = {};
      long long a, an, m, mn;
      unsigned mode;
      int used = 0;
      if (std::sscanf(record.c_str(), "%lld %lld %lld %lld %o %n", &a, &an, &m, &mn, &mode, &used) != 5) continue;
      st.st_atim = {a, an};
      st.st_mtim = {m, mn};
      st.st_mode = mode;
      before_.emplace(record.substr(static_cast<std::size_t>(used)), st);
    }
  }
  fd_ = open_fd(path_, O_WRONLY | O_CREAT | O_APPEND, 0644);
  struct stat st;
  if (::fstat(fd_.get(), &st) == 0 && st.st_size == 0) write_all(fd_.get(), title + "\n", path_);
}

void Pending::add(const std::string& directory, const struct stat& before) {
  char numbers[128];
  std::snprintf(numbers, sizeof numbers, "%lld %lld %lld %lld %o ", static_cast<long long>(before.st_atim.tv_sec),
                static_cast<long long>(before.st_atim.tv_nsec), static_cast<long long>(before.st_mtim.tv_sec),
                static_cast<long long>(before.st_mtim.tv_nsec), static_cast<unsigned>(before.st_mode & 07777));
  write_all(fd_.get(), cat(numbers, directory, std::string_view("\0", 1)), path_);
  before_.emplace(directory, before);
}

const struct stat* Pending::find(const std::string& directory) const {
  const auto at = before_.find(directory);
  return at == before_.end() ? nullptr : &at->second;
}

void Pending::finish() {
  for (const auto& [directory, before] : before_) give_back(directory, before);
  remove_file(path_);
}

std::string turned_target(const std::string& target, const std::string& root, const std::string& old_root) {
  const std::string from = origin(target, old_root);
  if (!from.empty() && from != root && starts_with_word(target, from)) return root + target.substr(from.size());
  if (starts_with_word(target, root)) return target;
  return root + target;
}

std::string restored_target(const std::string& target, const std::string& root, const std::string& old_root) {
  const std::string from = origin(target, old_root);
  std::string out = target;
  if (!from.empty() && starts_with_word(target, from)) out = target.substr(from.size());
  else if (starts_with_word(target, root)) out = target.substr(root.size());
  return out.empty() ? "/" : out;
}

std::size_t turn_links(const std::string& root, const std::string& old_root, const std::vector<ScannedLink>& links,
                       Pending& pending, std::vector<std::string>& failures) {
  return change_links(root, links, [&](const std::string& t) { return turned_target(t, root, old_root); }, pending, failures);
}

std::size_t restore_links(const std::string& root, const std::string& old_root, const std::vector<ScannedLink>& links,
                          Pending& pending, std::vector<std::string>& failures) {
  return change_links(root, links, [&](const std::string& t) { return restored_target(t, root, old_root); }, pending, failures);
}

}  // namespace udocker::engine
