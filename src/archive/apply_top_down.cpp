#include "archive/apply.hpp"
#include "archive/path_table.hpp"
#include "util/cold_memory.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::archive {

namespace {

using Parts = std::vector<std::string_view>;
using Record = PathTable::Record;

constexpr std::size_t kMostOpen = 256;  // directories

std::string path_of(const Parts& parts) {
  std::string path;
  for (auto part : parts) {
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

class TopDown {
 public:
  TopDown(const std::string& root, const ApplyOptions& options)
      : options_(options),
        meter_(options),
        writer_(root, options.owners),
        root_(std::make_shared<UniqueFd>(open_fd(root, O_RDONLY | O_DIRECTORY))),
        table_(path_dirname(root)),
        links_(path_dirname(root)),
        hiding_(path_dirname(root)),
        directories_(path_dirname(root)) {}

  void apply(const Layer& layer, std::uint16_t number) {
    layer_ = number;
    open_.clear();
    LayerStream stream(layer);
    Entry entry;
    while (stream.next(entry)) put(entry, stream.reader());
    stream.finish();
    writer_.drain();
    JournalReader links(links_), hiding(hiding_);
    for (std::string path, target; links.next(path) && links.next(target);) {
      Place from = enter(target, Make::no), to = enter(path, Make::no);
      make_hard_link(from.dir->get(), from.name, to.dir->get(), to.name);
      table_.add(to.hash).flags &= static_cast<std::uint16_t>(~PathTable::link);
    }
    links_.clear();
    Hiding what;
    for (std::string text; hiding.next(text);) {
      std::memcpy(&what, text.data(), sizeof what);
      table_.add(what.hash).flags |= what.flag;
    }
    hiding_.clear();
  }

  ApplyResult finish() {
    open_.clear();
    finishing_ = true;
    JournalReader directories(directories_);
    timespec time;
    for (std::string text; directories.next(text);) {
      std::memcpy(&time, text.data(), sizeof time);
      Place place = enter(text.substr(sizeof time), Make::no);
      writer_.set_times(place.dir->get(), place.name, time);
    }
    return meter_.result;
  }

 private:
  enum class Make { no, directories };
  struct Directory {  // how far it is known
    std::uint64_t hash = 0;
    bool hidden = false;
    SharedDir fd;
  };
  struct Place {  // a name in an open directory
    std::uint64_t hash = 0;
    bool hidden = false;
    SharedDir dir;
    std::string name;  // "." for the root itself
  };
  struct Hiding {
    std::uint64_t hash;
    std::uint16_t flag;
  };
  template <typename Record>
  static std::string_view bytes_of(const Record& record) {
    return {reinterpret_cast<const char*>(&record), sizeof record};
  }

  bool hides_below(const Record& record) const {
    if (finishing_) return false;
    if (record.flags & (PathTable::hidden | PathTable::opaque)) return true;
    if (!(record.flags & PathTable::file)) return false;
    if (record.layer == layer_) throw NeedsGeneral{"a path through a file of the same layer"};
    return true;
  }

  // The directory that holds the last part; with Make::directories it is made where it is missing.
  Directory directory(const Parts& parts, std::size_t count, Make make) {
    if (count == 0) {
      const Record* top = table_.find(table_.root());
      return {table_.root(), !finishing_ && top && (top->flags & PathTable::opaque), root_};
    }
    std::string path = path_of(Parts(parts.begin(), parts.begin() + static_cast<long>(count)));
    auto known = open_.find(path);
    if (known != open_.end() && (known->second.hidden || known->second.fd || make == Make::no)) {
      if (known->second.hidden || known->second.fd) return known->second;
    }
    Directory parent = directory(parts, count - 1, make);
    Directory here;
    std::string name(parts[count - 1]);
    here.hash = table_.child(parent.hash, name);
    const Record* record = table_.find(here.hash);
    here.hidden = parent.hidden || (record && hides_below(*record));
    if (!here.hidden) {
      bool there = record && (record->flags & PathTable::directory);
      if (!there && make == Make::directories) {
        if (::mkdirat(parent.fd->get(), name.c_str(), 0755) != 0) throw_errno("create directory", printable(path));
        if (writer_.mask() & 0700) ::fchmodat(parent.fd->get(), name.c_str(), 0700, 0);
        Record& fresh = table_.add(here.hash);
        fresh.flags |= PathTable::directory | PathTable::implied;
        fresh.layer = layer_;
        there = true;
      }
      if (there && parent.fd) {
        int fd = ::openat(parent.fd->get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) throw_errno("open directory", printable(path));
        here.fd = std::make_shared<UniqueFd>(fd);
      }
    }
    if (open_.size() >= most_open_) open_.clear();
    open_[path] = here;
    return here;
  }

  Place enter(const Parts& parts, Make make) {
    if (parts.empty()) return {table_.root(), false, root_, "."};
    Directory parent = directory(parts, parts.size() - 1, make);
    return {table_.child(parent.hash, parts.back()), parent.hidden, parent.fd, std::string(parts.back())};
  }
  Place enter(const std::string& path, Make make) { return enter(clean_parts(path), make); }

  // Lower layers must not have a link where this one speaks of a directory.
  void mark_used(const Parts& parts, std::size_t count) {
    std::uint64_t hash = table_.root();
    for (std::size_t i = 0; i < count; ++i) {
      hash = table_.child(hash, parts[i]);
      Record& record = table_.add(hash);
      if (record.flags == 0) record.layer = layer_;
      if (!(record.flags & (PathTable::file | PathTable::directory))) record.flags |= PathTable::used;
    }
  }

  // True when something above or in this layer decides the path already.
  bool is_decided(const Record& record, const Entry& entry, const Place& place) {
    if (record.flags & PathTable::hidden) return true;
    bool wants_directory = entry.type == Entry::Type::directory;
    if (record.layer == layer_) return replace_own(record, wants_directory, place);
    if (record.flags & PathTable::file) return true;
    bool is_soft = record.flags & (PathTable::implied | PathTable::used);
    if ((record.flags & (PathTable::directory | PathTable::used)) && !wants_directory)
      throw NeedsGeneral{"a directory of an upper layer is something else below"};
    return (record.flags & PathTable::directory) && !is_soft;
  }

  // The same path twice in one layer: the last one wins.
  bool replace_own(const Record& record, bool wants_directory, const Place& place) {
    if (record.flags & PathTable::directory) {
      if (!wants_directory) throw NeedsGeneral{"a directory and something else under one name in a layer"};
      return false;
    }
    if (record.flags & PathTable::used) {
      if (!wants_directory) throw NeedsGeneral{"a directory and something else under one name in a layer"};
      return false;
    }
    if (!(record.flags & PathTable::file)) return false;
    if (wants_directory || links_.size() > 0) throw NeedsGeneral{"a path that occurs twice in a layer"};
    writer_.drain();
    if (::unlinkat(place.dir->get(), place.name.c_str(), 0) != 0) throw_errno("replace", printable(place.name));
    return false;
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
    Place place = enter(parts, Make::no);
    if (place.hidden) return skip(parts);
    bool is_directory = entry.type == Entry::Type::directory;
    if (parts.empty() && !is_directory) throw IntegrityError("a layer makes the root directory something else");
    const Record* record = table_.find(place.hash);
    if (record && is_decided(*record, entry, place)) return skip(parts);
    if (!place.dir) place = enter(parts, Make::directories);
    if (entry.type == Entry::Type::hard_link) return put_link(entry, place, parts);
    bool exists = parts.empty();
    Record& mine = table_.add(place.hash);
    exists = exists || (mine.flags & PathTable::directory);
    constexpr std::uint16_t kKept = PathTable::hidden | PathTable::opaque;
    mine.flags = static_cast<std::uint16_t>((mine.flags & kKept) | (is_directory ? PathTable::directory : PathTable::file));
    mine.layer = layer_;
    switch (entry.type) {
      case Entry::Type::directory:
        writer_.make_directory(place.dir->get(), place.name, entry, exists);
        put_directory(time_of(entry), parts);
        break;
      case Entry::Type::symbolic_link: writer_.make_link(place.dir->get(), place.name, entry); break;
      case Entry::Type::file:
        if (stored_size(entry) <= NodeWriter::kSmall) writer_.write_small(place.dir, place.name, entry, reader);
        else writer_.write_large(place.dir->get(), place.name, entry, reader);
        break;
      default: writer_.make_special(place.dir->get(), place.name, entry);
    }
  }

  static std::uint64_t stored_size(const Entry& entry) {
    if (!entry.sparse) return entry.size;
    std::uint64_t sum = 0;
    for (auto [offset, length] : entry.segments) sum += length;
    return sum;
  }

  void put_link(const Entry& entry, const Place& place, const Parts& parts) {
    Parts target = clean_parts(entry.link);
    Place from = enter(target, Make::no);
    const Record* record = from.hidden || target.empty() ? nullptr : table_.find(from.hash);
    if (!record || !(record->flags & PathTable::file) || record->layer != layer_ || from.hash == place.hash)
      throw NeedsGeneral{"a hard link to a file of another layer"};
    udocker::put(links_, path_of(parts));
    udocker::put(links_, path_of(target));
    Record& mine = table_.add(place.hash);
    mine.flags = static_cast<std::uint16_t>((mine.flags & (PathTable::hidden | PathTable::opaque)) | PathTable::file | PathTable::link);
    mine.layer = layer_;
  }

  void hide(const Parts& parts, Whiteout whiteout) {
    Place place = enter(parts, Make::no);
    if (whiteout == Whiteout::ignored || place.hidden) return skip(parts);
    if (whiteout == Whiteout::opaque) enter(parts, Make::directories);
    mark_used(parts, parts.size() - 1);
    std::uint64_t parent = table_.root();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) parent = table_.child(parent, parts[i]);
    Hiding what{};
    what.flag = whiteout == Whiteout::opaque ? PathTable::opaque : PathTable::hidden;
    what.hash = whiteout == Whiteout::opaque ? parent : table_.child(parent, parts.back().substr(kWhiteoutPrefix.size()));
    udocker::put(hiding_, bytes_of(what));
  }

  void put_directory(timespec time, const Parts& parts) {
    udocker::put(directories_, cat(bytes_of(time), path_of(parts)));
  }

  // Nothing is written, but the directories on the way to it would have been made.
  void skip(const Parts& parts) {
    ++meter_.result.skipped;
    std::uint64_t hash = table_.root();
    std::size_t real = 0;
    const Record* record = table_.find(hash);
    while (real + 1 < parts.size() && !(record && (record->flags & PathTable::opaque))) {
      hash = table_.child(hash, parts[real]);
      record = table_.find(hash);
      if (record && (record->flags & (PathTable::hidden | PathTable::file))) break;
      ++real;
    }
    if (real > 0 && !(record && (record->flags & PathTable::directory))) directory(parts, real, Make::directories);
  }

  const ApplyOptions& options_;
  Meter meter_;
  NodeWriter writer_;
  SharedDir root_;
  PathTable table_;
  std::uint16_t layer_ = 0;
  bool finishing_ = false;
  std::unordered_map<std::string, Directory> open_;
  const std::size_t most_open_ = share_of_open_files(kMostOpen);
  Journal links_;        // path and target, made when the layer is through
  Journal hiding_;       // what this layer hides of lower ones
  Journal directories_;  // time and path, set when all is in place
};

}  // namespace

ApplyResult apply_top_down(const std::string& root, const std::vector<Layer>& layers, const ApplyOptions& options) {
  TopDown work(root, options);
  for (std::size_t i = layers.size(); i-- > 0;) work.apply(layers[i], static_cast<std::uint16_t>(i + 1));
  return work.finish();
}

}  // namespace udocker::archive
