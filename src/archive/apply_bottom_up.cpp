// The general way: every directory is walked to from the root, one component at a time, links are followed as a
// process inside the root would, and files are replaced as layers say.
#include "archive/apply.hpp"
#include "archive/path_table.hpp"
#include "util/cold_memory.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::archive {

namespace {

constexpr int kMostLinks = 40;
constexpr std::size_t kDeepest = 400;

struct Open {
  SharedDir fd;
  ino_t inode;
};

Open open_below(int parent, const char* name) {
  int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return {};
  auto shared = std::make_shared<UniqueFd>(fd);
  struct stat st {};
  if (::fstat(fd, &st) != 0) throw_errno("look at", printable(name));
  return {std::move(shared), st.st_ino};
}

std::optional<struct stat> stat_at(int dir, const std::string& name) {
  struct stat st;
  if (::fstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return st;
}

class BottomUp {
 public:
  BottomUp(const std::string& root, const ApplyOptions& options)
      : options_(options),
        meter_(options),
        writer_(root, options.owners),
        root_(open_below(AT_FDCWD, root.c_str())),
        touched_(path_dirname(root)),
        times_(path_dirname(root)) {
    if (!root_.fd) throw_errno("open directory", root);
  }

  void apply(const Layer& layer) {
    touched_.clear();
    LayerStream stream(layer);
    Entry entry;
    while (stream.next(entry)) put(entry, stream.reader());
    stream.finish();
    writer_.drain();
  }

  ApplyResult finish() {
    JournalReader times(times_);
    timespec time;
    for (std::string text; times.next(text);) {
      std::memcpy(&time, text.data(), sizeof time);
      auto parts = clean_parts(std::string_view(text).substr(sizeof time));
      auto parent = walk(parts, Make::no);
      if (!parent.fd) continue;
      std::string name = parts.empty() ? "." : std::string(parts.back());
      if (auto st = stat_at(parent.fd->get(), name); st && S_ISDIR(st->st_mode)) writer_.set_times(parent.fd->get(), name, time);
    }
    return meter_.result;
  }

 private:
  enum class Make { no, directories };
  using Parts = std::vector<std::string_view>;

  // What this layer has put or gone through: a name in a directory.
  void touch(const Open& dir, const std::string& name) { touched_.add(touched_.child(dir.inode, name)).flags = PathTable::used; }
  bool is_touched(ino_t dir, const std::string& name) {
    auto* record = touched_.find(touched_.child(dir, name));
    return record && record->flags;
  }
  void untouch(ino_t dir, const std::string& name) {
    if (auto* record = touched_.find(touched_.child(dir, name))) record->flags = 0;
  }

  // The directory of the last part, links followed inside the root. With Make::no it may be missing (null fd).
  Open walk(const Parts& parts, Make make) {
    std::vector<Open> stack{root_};
    std::vector<std::string> todo;
    for (std::size_t i = parts.empty() ? 0 : parts.size() - 1; i-- > 0;) todo.emplace_back(parts[i]);
    int links = 0;
    while (!todo.empty()) {
      std::string name = std::move(todo.back());
      todo.pop_back();
      if (name.empty() || name == ".") continue;
      if (name == "..") {
        if (stack.size() > 1) stack.pop_back();
        continue;
      }
      if (stack.size() > kDeepest) throw IntegrityError("a layer has directories deeper than 400 levels");
      const Open here = stack.back();
      Open below = open_below(here.fd->get(), name.c_str());
      if (!below.fd) {
        int error = errno;
        char target[PATH_MAX + 1];
        ssize_t length = ::readlinkat(here.fd->get(), name.c_str(), target, sizeof target);
        if (length > 0) {
          if (++links > kMostLinks) throw IntegrityError("links run in a circle in a layer");
          std::string_view text(target, static_cast<std::size_t>(length));
          if (text[0] == '/') stack.resize(1);
          auto more = split(text, '/');
          for (std::size_t i = more.size(); i-- > 0;) todo.push_back(std::move(more[i]));
          continue;
        }
        if (make == Make::no) return {};
        writer_.drain();
        if (error != ENOENT && ::unlinkat(here.fd->get(), name.c_str(), 0) != 0) throw_errno("replace", printable(name));
        if (::mkdirat(here.fd->get(), name.c_str(), 0755) != 0) throw_errno("create directory", printable(name));
        if (writer_.mask() & 0700) ::fchmodat(here.fd->get(), name.c_str(), 0700, 0);
        below = open_below(here.fd->get(), name.c_str());
        if (!below.fd) throw_errno("open directory", printable(name));
      }
      if (make == Make::directories) touch(here, name);
      stack.push_back(std::move(below));
    }
    return stack.back();
  }

  // Removes what lower layers left under the name; what this layer has put there stays.
  void remove_lower(int dir, ino_t inode, const std::string& name, std::size_t depth) {
    auto st = stat_at(dir, name);
    if (!st) return;
    bool mine = is_touched(inode, name);
    if (!S_ISDIR(st->st_mode)) {
      if (!mine && ::unlinkat(dir, name.c_str(), 0) != 0) throw_errno("remove", printable(name));
      return;
    }
    if (depth > kDeepest) throw IntegrityError("a layer has directories deeper than 400 levels");
    {
      Open below = open_below(dir, name.c_str());
      if (!below.fd) throw_errno("open directory", printable(name));
      remove_children(below, depth);
    }
    if (!mine && ::unlinkat(dir, name.c_str(), AT_REMOVEDIR) != 0) throw_errno("remove", printable(name));
  }

  // Each followed by a zero byte: a directory may have a million of them.
  static std::string names_in(const Open& dir) {
    DIR* stream = ::fdopendir(::openat(dir.fd->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!stream) throw_errno("read directory", "of a layer");
    ScopeExit close_stream([stream] { ::closedir(stream); });
    std::string names;
    while (dirent* entry = ::readdir(stream))
      if (std::string_view name = entry->d_name; name != "." && name != "..") names.append(name).push_back('\0');
    return names;
  }

  void remove_children(const Open& dir, std::size_t depth) {
    std::string names = names_in(dir);
    for (std::size_t at = 0; at < names.size();) {
      std::string name = names.c_str() + at;
      at += name.size() + 1;
      remove_lower(dir.fd->get(), dir.inode, name, depth + 1);
    }
  }

  void hide(const Parts& parts, Whiteout whiteout) {
    if (whiteout == Whiteout::ignored) return;
    Open dir = walk(parts, whiteout == Whiteout::opaque ? Make::directories : Make::no);
    if (!dir.fd) return;
    writer_.drain();
    if (whiteout == Whiteout::opaque) remove_children(dir, 0);
    else remove_lower(dir.fd->get(), dir.inode, std::string(parts.back().substr(kWhiteoutPrefix.size())), 0);
  }

  void put(const Entry& entry, TarReader& reader) {
    meter_.count(entry);
    Parts parts = clean_parts(entry.path);
    check_length(parts);
    if (is_device_of_root(parts, entry)) return;
    if (!parts.empty()) {
      Whiteout whiteout = whiteout_of(parts.back(), options_);
      if (whiteout != Whiteout::none) return hide(parts, whiteout);
    }
    bool is_directory = entry.type == Entry::Type::directory;
    if (parts.empty() && !is_directory) throw IntegrityError("a layer makes the root directory something else");
    Open dir = walk(parts, Make::directories);
    std::string name = parts.empty() ? "." : std::string(parts.back());
    if (is_touched(dir.inode, name)) writer_.drain();
    auto old = stat_at(dir.fd->get(), name);
    std::optional<std::pair<Open, std::string>> target;
    if (entry.type == Entry::Type::hard_link) {
      writer_.drain();
      Parts from = clean_parts(entry.link);
      Open from_dir = from.empty() ? Open{} : walk(from, Make::no);
      std::string from_name = from.empty() ? "" : std::string(from.back());
      auto st = from_dir.fd ? stat_at(from_dir.fd->get(), from_name) : std::nullopt;
      if (!st || S_ISDIR(st->st_mode)) throw IntegrityError(cat("a layer links to a file that is not there: ", printable(entry.link)));
      if (old && old->st_ino == st->st_ino && old->st_dev == st->st_dev) return touch(dir, name);
      target.emplace(from_dir, from_name);
    }
    bool keep = old && S_ISDIR(old->st_mode) && is_directory;
    if (old && !keep) {
      writer_.drain();
      untouch(dir.inode, name);
      if (S_ISDIR(old->st_mode)) forget_below(dir.fd->get(), name, 0);
      remove_lower(dir.fd->get(), dir.inode, name, 0);
    }
    touch(dir, name);
    int fd = dir.fd->get();
    switch (entry.type) {
      case Entry::Type::directory:
        writer_.make_directory(fd, name, entry, keep);
        note_time(time_of(entry), entry.path);
        break;
      case Entry::Type::symbolic_link: writer_.make_link(fd, name, entry); break;
      case Entry::Type::hard_link: make_hard_link(target->first.fd->get(), target->second, fd, name); break;
      case Entry::Type::file:
        if (!entry.sparse && entry.size <= NodeWriter::kSmall) writer_.write_small(dir.fd, name, entry, reader);
        else writer_.write_large(fd, name, entry, reader);
        break;
      default: writer_.make_special(fd, name, entry);
    }
  }

  // The tree below is to go whole, whoever made it.
  void forget_below(int dir, const std::string& name, std::size_t depth) {
    if (depth > kDeepest) throw IntegrityError("a layer has directories deeper than 400 levels");
    Open below = open_below(dir, name.c_str());
    if (!below.fd) return;
    std::string names = names_in(below);
    for (std::size_t at = 0; at < names.size();) {
      std::string child = names.c_str() + at;
      at += child.size() + 1;
      if (!is_touched(below.inode, child)) continue;
      untouch(below.inode, child);
      forget_below(below.fd->get(), child, depth + 1);
    }
  }

  void note_time(timespec time, const std::string& path) {
    udocker::put(times_, cat(std::string_view(reinterpret_cast<const char*>(&time), sizeof time), path));
  }

  const ApplyOptions& options_;
  Meter meter_;
  NodeWriter writer_;
  Open root_;
  PathTable touched_;
  Journal times_;  // time and path of directories
};

}  // namespace

ApplyResult apply_bottom_up(const std::string& root, const std::vector<Layer>& layers, const ApplyOptions& options) {
  BottomUp work(root, options);
  for (const auto& layer : layers) work.apply(layer);
  return work.finish();
}

}  // namespace udocker::archive
