#include "util/file.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker {

namespace {

std::string random_suffix() {
  unsigned char bytes[8];
  if (::getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != sizeof bytes) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    std::uint64_t seed = static_cast<std::uint64_t>(now.tv_nsec) * 6364136223846793005u + static_cast<unsigned>(::getpid());
    for (auto& byte : bytes) byte = static_cast<unsigned char>((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 56);
  }
  return hex(bytes, sizeof bytes);
}

std::optional<struct stat> stat_of(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  return st;
}

std::string read_open_file(const UniqueFd& fd, const std::string& path, std::uint64_t limit) {
  std::string content;
  char buffer[65536];
  while (std::size_t got = read_full(fd.get(), buffer, sizeof buffer, path)) {
    content.append(buffer, got);
    if (content.size() > limit) throw IntegrityError(cat(path, ": larger than ", limit, " bytes"));
    if (got < sizeof buffer) break;
  }
  return content;
}

}  // namespace

std::string load_file(const std::string& path, std::uint64_t limit) {
  return read_open_file(open_fd(path, O_RDONLY), path, limit);
}

std::optional<std::string> find_file(const std::string& path, std::uint64_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw_errno("open", path);
  }
  try {
    return read_open_file(fd, path, limit);
  } catch (const SystemError& error) {
    if (error.errno_value() == ESRCH) return std::nullopt;  // of /proc: the process ended after the file was opened
    throw;
  }
}

void make_file(const std::string& path, std::string_view content, unsigned mode) {
  AtomicFile file(path, mode);
  file.write(content);
  file.commit();
}

bool path_exists(const std::string& path) { return stat_of(path).has_value(); }

bool is_directory(const std::string& path) {
  auto st = stat_of(path);
  return st && S_ISDIR(st->st_mode);
}

bool is_regular(const std::string& path) {
  auto st = stat_of(path);
  return st && S_ISREG(st->st_mode);
}

void make_directories(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) == 0) return;
  if (errno == ENOENT) {
    std::string parent = path_dirname(path);
    if (parent == path) throw_errno("create directory", path);
    make_directories(parent, mode);
    if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
    throw_errno("create directory", path);
  }
  int saved = errno;
  if (is_directory(path)) return;
  throw SystemError("create directory", path, saved);
}

std::optional<std::string> find_link(const std::string& path) {
  char target[PATH_MAX + 1];
  ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  if (length < 0) return std::nullopt;
  return std::string(target, static_cast<std::size_t>(length));
}

std::vector<DirectoryEntry> read_directory(const std::string& path) {
  std::vector<DirectoryEntry> entries;
  DIR* dir = ::opendir(path.c_str());
  if (!dir) {
    if (errno == ENOENT) return entries;
    throw_errno("read directory", path);
  }
  ScopeExit close_dir([dir] { ::closedir(dir); });
  while (dirent* entry = ::readdir(dir)) {
    std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    unsigned char type = entry->d_type;
    struct stat st;
    if (type == DT_UNKNOWN && ::fstatat(::dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) type = IFTODT(st.st_mode);
    EntryKind kind = type == DT_REG   ? EntryKind::file
                     : type == DT_DIR ? EntryKind::directory
                     : type == DT_LNK ? EntryKind::link
                                      : EntryKind::other;
    entries.push_back({std::string(name), kind});
  }
  std::sort(entries.begin(), entries.end(), [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  return entries;
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  for (auto& entry : read_directory(path)) names.push_back(std::move(entry.name));
  return names;
}

std::string absolute_path(const std::string& path) {
  std::string whole = path;
  if (!path.starts_with('/')) {
    char cwd[PATH_MAX];
    if (!::getcwd(cwd, sizeof cwd)) throw_errno("get current directory for", path);
    whole = cat(cwd, "/", path);
  }
  std::vector<std::string> kept;
  for (auto& part : split(whole, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(std::move(part));
    }
  }
  return "/" + join(kept, "/");
}

std::string real_path(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (!resolved) throw_errno("resolve", path);
  std::string result(resolved);
  std::free(resolved);
  return result;
}

std::string path_dirname(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  if (slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

std::string path_basename(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  auto slash = path.rfind('/');
  if (slash == std::string_view::npos || path.size() == 1) return std::string(path);
  return std::string(path.substr(slash + 1));
}

void remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw_errno("remove", path);
}

void sync_directory(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) ::fsync(fd.get());
}

AtomicFile::AtomicFile(std::string path, unsigned mode)
    : path_(std::move(path)),
      temporary_(cat(path_dirname(path_), "/.", path_basename(path_), ".", random_suffix(), ".tmp")),
      fd_(open_fd(temporary_, O_WRONLY | O_CREAT | O_EXCL, mode)) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::commit() {
  if (::fsync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS) throw_errno("sync", path_);
  fd_.close_checked(path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_errno("rename to", path_);
  temporary_.clear();
}

TempDir::TempDir(const std::string& parent, std::string_view purpose)
    : path_(cat(parent, "/udocker-", ::getpid(), "-", random_suffix(), "-", purpose)) {
  if (::mkdir(path_.c_str(), 0700) != 0) throw_errno("create directory", path_);
}

TempDir::~TempDir() {
  if (keep_) return;
  try {
    remove_tree(path_);
  } catch (const Error&) {  // what stays is in the temporary directory and names its owner's pid
  }
}

}  // namespace udocker
