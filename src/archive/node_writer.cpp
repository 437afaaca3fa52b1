#include "archive/node_writer.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace udocker::archive {

namespace {

constexpr std::size_t kMostWaiting = 8 << 20;  // bytes of small files on their way
constexpr std::size_t kMostSpare = 4 << 20;    // bytes of buffers kept for more
constexpr std::size_t kMostJobs = 512;

unsigned current_umask() {
  if (auto status = find_file("/proc/self/status"))
    if (auto at = status->find("\nUmask:"); at != status->npos) {
      unsigned mask = 0;
      auto words = split_words(std::string_view(*status).substr(at + 7, 16));
      for (char c : words.empty() ? std::string("022") : words[0]) mask = mask * 8 + static_cast<unsigned>(c - '0');
      return mask & 0777;
    }
  mode_t mask = ::umask(022);
  ::umask(mask);
  return mask;
}

// Gives the file its times; file systems with a smaller range refuse some, which is no reason to fail.
void give_times(int fd_or_dir, const char* name, timespec time) {
  timespec times[2] = {time, time};
  if (name) ::utimensat(fd_or_dir, name, times, AT_SYMLINK_NOFOLLOW);
  else ::futimens(fd_or_dir, times);
}

// Attributes that an ordinary user may set and that mean the same on any host.
bool is_plain_xattr(const std::string& key) { return key.starts_with("user."); }
bool is_kept_xattr(const std::string& key) { return key == "security.capability" || key.starts_with("trusted."); }

}  // namespace

timespec time_of(const Entry& entry) { return {static_cast<std::time_t>(entry.mtime), static_cast<long>(entry.mtime_nsec)}; }

unsigned real_mode(const Entry& entry, unsigned mask) {
  unsigned least = entry.type == Entry::Type::directory ? 0700 : 0600;
  return (entry.mode & 0777 & ~mask) | least;
}

NodeWriter::NodeWriter(std::string root, std::string owners)
    : root_(std::move(root)),
      owners_path_(std::move(owners)),
      mask_(current_umask()),
      workers_(std::clamp(std::thread::hardware_concurrency(), 1u, 8u), share_of_open_files(kMostJobs), kMostWaiting,
               [this] { return [this](Job& job) { run(job); }; }) {}

std::string NodeWriter::shown(const std::string& name) const { return cat("file ", printable(name), " in ", root_); }

bool NodeWriter::needs_note(const Entry& entry, unsigned real) const {
  if (owners_path_.empty()) return false;
  if (entry.uid != 0 || entry.gid != 0 || entry.mode != real) return true;
  return std::any_of(entry.xattrs.begin(), entry.xattrs.end(), [](const auto& pair) { return is_kept_xattr(pair.first); });
}

void NodeWriter::note(int dir, const std::string& name, const Entry& entry, unsigned real, unsigned type) {
  bool is_device = entry.type == Entry::Type::character_device || entry.type == Entry::Type::block_device;
  if (owners_path_.empty() || (!is_device && !needs_note(entry, real))) return;
  std::lock_guard hold(owners_mutex_);
  auto check = [&](long result) {
    if (result < 0) throw SystemError("write owners of", shown(name), static_cast<int>(-result));
  };
  if (!owners_.is_open()) check(owners_.open(owners_path_.c_str(), root_.c_str(), guest::Owners::Mode::read_write));
  guest::FileKey key;
  check(owners_.key_of(dir, name.c_str(), key));
  guest::Owner owner;
  owner.uid = static_cast<std::uint32_t>(entry.uid);
  owner.gid = static_cast<std::uint32_t>(entry.gid);
  if (is_device || entry.mode != real) owner.mode = type | entry.mode;
  if (is_device) owner.rdev = makedev(entry.major, entry.minor);
  check(owners_.set(key, owner));
  if (++noted_ % 32 == 0) owners_.relax();
  for (const auto& [attribute, value] : entry.xattrs)
    if (is_kept_xattr(attribute)) {
      guest::Text text{attribute.data(), attribute.size()};
      check(owners_.set_xattr(key, text, value.data(), value.size(), 0));
    }
}

void NodeWriter::finish_file(int fd, int dir, const std::string& name, const Entry& entry) {
  unsigned real = real_mode(entry, mask_);
  if ((mask_ & 0600) && ::fchmod(fd, real) != 0) throw_errno("set mode of", shown(name));
  for (const auto& [key, value] : entry.xattrs)
    if (is_plain_xattr(key)) ::fsetxattr(fd, key.c_str(), value.data(), value.size(), 0);  // not all file systems have them
  give_times(fd, nullptr, time_of(entry));
  note(dir, name, entry, real, S_IFREG);
}

static UniqueFd create(int dir, const std::string& name, unsigned mode, const std::string& shown) {
  int fd;
  do fd = ::openat(dir, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) throw_errno("create", shown);
  return UniqueFd(fd);
}

static void write_segment(int fd, std::string_view bytes, std::uint64_t at, const std::string& shown) {
  while (!bytes.empty()) {
    ssize_t done = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw_errno("write", shown);
    bytes.remove_prefix(static_cast<std::size_t>(done));
    at += static_cast<std::uint64_t>(done);
  }
}

void NodeWriter::run(Job& job) {
  UniqueFd fd = create(job.dir->get(), job.name, real_mode(job.entry, mask_), shown(job.name));
  std::string_view bytes = job.data;
  if (job.entry.sparse) {
    for (auto [offset, length] : job.entry.segments) {
      write_segment(fd.get(), bytes.substr(0, length), offset, shown(job.name));
      bytes.remove_prefix(length);
    }
    if (::ftruncate(fd.get(), static_cast<off_t>(job.entry.size)) != 0) throw_errno("set size of", shown(job.name));
  } else {
    write_segment(fd.get(), bytes, 0, shown(job.name));
  }
  finish_file(fd.get(), job.dir->get(), job.name, job.entry);
  fd.close_checked(shown(job.name));
  std::lock_guard hold(spare_mutex_);
  if (spare_bytes_ + job.data.capacity() > kMostSpare) return;
  spare_bytes_ += job.data.capacity();
  spare_.push_back(std::move(job.data));
}

std::size_t NodeWriter::Job::cost() const {
  std::size_t sum = data.size() + name.size() + entry.segments.size() * sizeof entry.segments[0];
  for (const auto& [key, value] : entry.xattrs) sum += key.size() + value.size() + 100;
  return sum;
}

std::string NodeWriter::spare_buffer() {
  std::lock_guard hold(spare_mutex_);
  if (spare_.empty()) return {};
  std::string buffer = std::move(spare_.back());
  spare_.pop_back();
  spare_bytes_ -= buffer.capacity();
  buffer.clear();
  return buffer;
}

void NodeWriter::write_small(SharedDir dir, std::string name, const Entry& entry, TarReader& from) {
  Job job{std::move(dir), std::move(name), spare_buffer(), {}};
  if (job.data.capacity() < entry.size && !entry.sparse) job.data.reserve(entry.size);
  for (auto part = from.data(); !part.empty(); part = from.data()) job.data += part;
  job.entry.size = entry.size;
  job.entry.mode = entry.mode;
  job.entry.uid = entry.uid;
  job.entry.gid = entry.gid;
  job.entry.mtime = entry.mtime;
  job.entry.mtime_nsec = entry.mtime_nsec;
  job.entry.xattrs = entry.xattrs;
  job.entry.sparse = entry.sparse;
  job.entry.segments = entry.segments;
  std::size_t cost = job.cost();
  workers_.add(std::move(job), cost);
}

void NodeWriter::drain() { workers_.drain(); }

void NodeWriter::write_large(int dir, const std::string& name, const Entry& entry, TarReader& from) {
  UniqueFd fd = create(dir, name, real_mode(entry, mask_), shown(name));
  if (entry.sparse) {
    std::string_view part;
    for (auto [offset, length] : entry.segments)
      while (length > 0) {
        if (part.empty()) part = from.data();
        auto take = part.substr(0, length);
        write_segment(fd.get(), take, offset, shown(name));
        part.remove_prefix(take.size());
        offset += take.size();
        length -= take.size();
      }
    if (::ftruncate(fd.get(), static_cast<off_t>(entry.size)) != 0) throw_errno("set size of", shown(name));
  } else {
    for (auto part = from.data(); !part.empty(); part = from.data()) write_all(fd.get(), part, shown(name));
  }
  finish_file(fd.get(), dir, name, entry);
  fd.close_checked(shown(name));
}

void NodeWriter::make_link(int dir, const std::string& name, const Entry& entry) {
  if (::symlinkat(entry.link.c_str(), dir, name.c_str()) != 0) throw_errno("make link", shown(name));
  give_times(dir, name.c_str(), time_of(entry));
  Entry owned = entry;
  owned.mode = 0777;
  note(dir, name, owned, 0777, S_IFLNK);
}

void NodeWriter::make_special(int dir, const std::string& name, const Entry& entry) {
  unsigned real = real_mode(entry, mask_);
  if (entry.type == Entry::Type::fifo) {
    if (::mkfifoat(dir, name.c_str(), real) != 0) throw_errno("make fifo", shown(name));
    note(dir, name, entry, real, S_IFIFO);
  } else {
    UniqueFd fd = create(dir, name, real, shown(name));
    note(dir, name, entry, real, entry.type == Entry::Type::block_device ? S_IFBLK : S_IFCHR);
  }
  give_times(dir, name.c_str(), time_of(entry));
}

void NodeWriter::make_directory(int dir, const std::string& name, const Entry& entry, bool exists) {
  unsigned real = real_mode(entry, mask_);
  if (!exists && ::mkdirat(dir, name.c_str(), real) != 0) throw_errno("create directory", shown(name));
  if ((exists || (mask_ & 0700)) && ::fchmodat(dir, name.c_str(), real, 0) != 0) throw_errno("set mode of", shown(name));
  for (const auto& [key, value] : entry.xattrs)
    if (is_plain_xattr(key)) {
      UniqueFd fd(::openat(dir, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (fd) ::fsetxattr(fd.get(), key.c_str(), value.data(), value.size(), 0);
    }
  note(dir, name, entry, real, S_IFDIR);
}

void NodeWriter::set_times(int dir, const std::string& name, timespec time) { give_times(dir, name.c_str(), time); }

}  // namespace udocker::archive
