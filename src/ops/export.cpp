#include "ops/export.hpp"

#include "archive/tar.hpp"
#include "guest/owners.hpp"
#include "ops/archive_output.hpp"
#include "ops/export_originals.hpp"
#include "ops/known_links.hpp"
#include "ops/suggest.hpp"
#include "ops/tree_walk.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

using archive::Entry;

constexpr std::size_t kBuffer = 256 << 10;

class Exporter : public TreeVisitor {
 public:
  Exporter(const store::Container& container, ExportWhat what, const Originals& originals, ArchiveOutput& output)
      : container_(container), what_(what), originals_(originals), output_(output), tar_(output), buffer_(kBuffer) {
    std::string store = container.path("owners");
    long opened = owners_.open(store.c_str(), container.root().c_str(), guest::Owners::Mode::read_only);
    if (opened < 0 && opened != -ENOENT) throw SystemError("open", store, static_cast<int>(-opened));
    int count = std::max(0, ::getgroups(0, nullptr));
    groups_.resize(static_cast<std::size_t>(count));
    if (count > 0) groups_.resize(static_cast<std::size_t>(std::max(0, ::getgroups(count, groups_.data()))));
    groups_.push_back(::getegid());
  }

  bool enter(const WalkEntry& found) override {
    if (originals_.leaves_out(found.path)) return false;
    Entry entry = entry_of(found);
    entry.type = Entry::Type::directory;
    if (found.path.empty() || !is_plain_) {
      UniqueFd fd(::openat(found.dir, found.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
      if (fd) take_xattrs(fd.get(), entry);
    }
    tar_.add(entry);
    return true;
  }
  void leave(const WalkEntry&) override {}

  void visit(const WalkEntry& found) override {
    if (S_ISSOCK(found.status.st_mode) || is_own_file(found)) return;
    output_.progress().add(0, 1);
    Entry entry = entry_of(found);
    if (found.status.st_nlink > 1 && link_to_known(found, entry)) return;
    if (UniqueFd original = is_root() ? originals_.open_original(found.path) : UniqueFd()) return add_file(original.get(), found, entry);
    switch (is_device_ ? device_type_ : found.status.st_mode & S_IFMT) {
      case S_IFREG: {
        UniqueFd fd = open_file(found);
        if (fd) add_file(fd.get(), found, entry);
        return;
      }
      case S_IFLNK: {
        entry.type = Entry::Type::symbolic_link;
        ssize_t length = ::readlinkat(found.dir, found.name.c_str(), buffer_.data(), buffer_.size());
        if (length < 0) throw_errno("read link", shown(found));
        entry.link.assign(buffer_.data(), static_cast<std::size_t>(length));
        if (is_root()) entry.link = originals_.link_target(entry.link);
        break;
      }
      case S_IFCHR: entry.type = Entry::Type::character_device; break;
      case S_IFBLK: entry.type = Entry::Type::block_device; break;
      case S_IFIFO: entry.type = Entry::Type::fifo; break;
      default: return;
    }
    tar_.add(entry);
  }

  void finish() { tar_.finish(); }

 private:
  bool is_root() const { return what_ == ExportWhat::root; }
  std::string shown(const WalkEntry& found) const { return cat(is_root() ? container_.root() : container_.directory(), "/", printable(found.path)); }

  // Files beside ROOT that mean something only here: inode numbers.
  bool is_own_file(const WalkEntry& found) const {
    return !is_root() && found.path.starts_with("owners") && found.path.find('/') == std::string::npos;
  }

  // Everything but type, link, size and data; xattrs of the side store included.
  Entry entry_of(const WalkEntry& found) {
    Entry entry;
    entry.path = found.path.empty() ? "./" : "./" + found.path;
    const auto& status = found.status;
    entry.mode = status.st_mode & 07777;
    entry.uid = status.st_uid == own_uid_ ? 0 : status.st_uid;
    entry.gid = std::find(groups_.begin(), groups_.end(), status.st_gid) != groups_.end() ? 0 : status.st_gid;
    entry.mtime = status.st_mtim.tv_sec;
    is_device_ = false;
    if (++looked_ % 32 == 0) owners_.relax();
    bool in_root = is_root() || starts_with_word(found.path, "ROOT");
    if (!in_root || !owners_.is_open() || !owners_.knows_inode(status.st_dev, status.st_ino)) return entry;
    guest::FileKey key;
    guest::Owner owner;
    if (owners_.key_of(found.dir, found.name.c_str(), key) < 0 || !owners_.find(key, owner)) return entry;
    entry.uid = owner.uid;
    entry.gid = owner.gid;
    if (owner.mode) {
      entry.mode = owner.mode & 07777;
      device_type_ = owner.mode & S_IFMT;
      is_device_ = device_type_ == S_IFCHR || device_type_ == S_IFBLK;
      if (is_device_) {
        entry.major = major(owner.rdev);
        entry.minor = minor(owner.rdev);
      }
    }
    char names[4096];
    long size = owners_.list_xattr(key, names, sizeof names);
    for (long at = 0; at < size;) {
      guest::Text name(names + at, std::char_traits<char>::length(names + at));
      long length = owners_.get_xattr(key, name, buffer_.data(), buffer_.size());
      if (length >= 0) entry.xattrs[std::string(name.data, name.size)] = std::string(buffer_.data(), static_cast<std::size_t>(length));
      at += static_cast<long>(name.size) + 1;
    }
    return entry;
  }

  void take_xattrs(int fd, Entry& entry) {
    char names[4096];
    ssize_t size = ::flistxattr(fd, names, sizeof names);
    if (size < 0 && errno == EOPNOTSUPP) is_plain_ = true;
    for (ssize_t at = 0; at < size;) {
      std::string name(names + at);
      at += static_cast<ssize_t>(name.size()) + 1;
      if (!name.starts_with("user.") && name != "security.capability") continue;
      ssize_t length = ::fgetxattr(fd, name.c_str(), buffer_.data(), buffer_.size());
      if (length >= 0) entry.xattrs.emplace(name, std::string(buffer_.data(), static_cast<std::size_t>(length)));
    }
  }

  bool link_to_known(const WalkEntry& found, Entry& entry) {
    auto known = known_.find(found.status);
    if (!known) {
      known_.add(found.status, entry.path);
      return false;
    }
    entry.type = Entry::Type::hard_link;
    entry.link = std::move(*known);
    entry.xattrs.clear();
    tar_.add(entry);
    return true;
  }

  // Invalid when it vanished.
  UniqueFd open_file(const WalkEntry& found) {
    constexpr int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    UniqueFd fd(::openat(found.dir, found.name.c_str(), flags));
    if (fd) return fd;
    int error = errno;
    if (error == EACCES && found.status.st_uid == own_uid_ && ::fchmodat(found.dir, found.name.c_str(), 0600, 0) == 0) {
      fd.reset(::openat(found.dir, found.name.c_str(), flags));
      error = errno;
      ::fchmodat(found.dir, found.name.c_str(), found.status.st_mode & 07777, 0);
    }
    if (!fd && error == EACCES)
      throw NotSupported(cat("read ", shown(found), ": permission denied"), "do udocker setup --fixperm on the container first");
    if (!fd && error != ENOENT) throw SystemError("read", shown(found), error);
    return fd;
  }

  void add_file(int fd, const WalkEntry& found, Entry& entry) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) throw_errno("look at", shown(found));
    entry.type = Entry::Type::file;
    entry.size = static_cast<std::uint64_t>(status.st_size);
    if (!is_plain_) take_xattrs(fd, entry);
    bool may_have_holes = static_cast<std::uint64_t>(status.st_blocks) * 512 < entry.size && entry.size >= (64u << 10);
    if (may_have_holes) find_holes(fd, entry);
    tar_.add(entry);
    if (!entry.sparse) return write_range(fd, 0, entry.size, found);
    for (auto [offset, length] : entry.segments) write_range(fd, offset, length, found);
  }

  void find_holes(int fd, Entry& entry) {
    off_t end = 0;
    auto size = static_cast<off_t>(entry.size);
    while (end < size) {
      off_t data = ::lseek(fd, end, SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;
      if (data < 0 || (end = ::lseek(fd, data, SEEK_HOLE)) < 0) return entry.segments.clear();  // it cannot tell
      end = std::min(end, size);
      entry.segments.emplace_back(data, end - data);
    }
    bool whole = entry.segments.size() == 1 && entry.segments[0].first == 0 && entry.segments[0].second == entry.size;
    if (whole) entry.segments.clear();
    entry.sparse = !whole;
  }

  // What a file that became shorter meanwhile lacks is zeros, as tar does it.
  void write_range(int fd, std::uint64_t at, std::uint64_t length, const WalkEntry& found) {
    while (length > 0) {
      ssize_t got = ::pread(fd, buffer_.data(), std::min<std::uint64_t>(length, buffer_.size()), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_errno("read", shown(found));
      if (got == 0) {
        log::warning(cat("became shorter while it was read: ", shown(found)));
        std::string zeros(buffer_.size(), '\0');
        for (; length > 0; length -= std::min<std::uint64_t>(length, zeros.size()))
          tar_.write({zeros.data(), static_cast<std::size_t>(std::min<std::uint64_t>(length, zeros.size()))});
        return;
      }
      tar_.write({buffer_.data(), static_cast<std::size_t>(got)});
      at += static_cast<std::uint64_t>(got);
      length -= static_cast<std::uint64_t>(got);
    }
  }

  store::Container container_;
  ExportWhat what_;
  const Originals& originals_;
  ArchiveOutput& output_;
  archive::TarWriter tar_;
  std::vector<char> buffer_;
  guest::Owners owners_;
  unsigned looked_ = 0;
  KnownLinks known_;
  uid_t own_uid_ = ::geteuid();
  std::vector<gid_t> groups_;
  bool is_plain_ = false;   // the file system has no extended attributes
  bool is_device_ = false;  // of the entry at hand, which is an empty file really
  mode_t device_type_ = 0;
};

}  // namespace

void export_container(Session& session, const std::string& id_or_name, const std::string& output, ExportWhat what) {
  auto container = session.repository().containers().find(id_or_name);
  if (!container) throw Error(cat("invalid container id ", printable(id_or_name), suggest_container(session, id_or_name)));
  if (!is_directory(container->root())) throw Error(cat("container ", id_or_name, " has no ROOT directory"));
  const auto& settings = session.settings();
  Originals originals;
  if (what == ExportWhat::root) originals = Originals(container->directory(), settings.tmpdir.empty() ? "/tmp" : settings.tmpdir);
  ArchiveOutput out(output, ArchiveOutput::Existing::replace, cat("exporting ", id_or_name));
  if (output != "-") log::info(cat("exporting to file ", output));
  Exporter exporter(*container, what, originals, out);
  walk_tree(what == ExportWhat::root ? container->root() : container->directory(), WalkOrder::sorted, exporter);
  exporter.finish();
  out.commit();
}

}  // namespace udocker::ops
