#include "ops/clone_archive.hpp"

#include "archive/tar.hpp"
#include "ops/load_files.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr std::size_t kPiece = 256 << 10;
constexpr std::uint64_t kLargestBeside = 4ull << 30;

constexpr std::string_view kNames[] = {
    "ROOT", "container.json", "imagerepo.name", "execmode", "root.path", "PROTECT", "nvidia", "nvidia.files", "nvidia.saved", "osenv.json", "ld.so.path",
    "ld.so.orig", "ld.lib.dirs", "patch.time", "patch.path", "patch.undo", "libfakechroot.so", ".mountpoints",
    ".bind_orig_files", "config.json", "owners", "owners.xattr"};

std::string first_part(const std::string& path) { return path.substr(0, path.find('/')); }

class CloneInput : public archive::Input, private archive::Output {
 public:
  CloneInput(std::unique_ptr<archive::Input> tar, std::string source, std::string directory, bool& is_clone)
      : from_(std::move(tar)), reader_(*from_, source), writer_(*this), source_(std::move(source)),
        directory_(std::move(directory)), is_clone_(is_clone) {}

  std::string_view next() override {
    pending_.clear();
    while (pending_.size() < kPiece && !ended_) step();
    return pending_;
  }

 private:
  void write(std::string_view bytes) override { pending_ += bytes; }

  void step() {
    if (in_file_) {
      auto part = reader_.data();
      if (part.empty()) in_file_ = false;
      else writer_.write(part);
      return;
    }
    archive::Entry entry;
    if (!reader_.next(entry)) {
      reader_.drain();
      writer_.finish();
      ended_ = true;
      return;
    }
    std::string path = clean_member(entry.path);
    if (!decided_ && !path.empty()) {
      decided_ = true;
      is_clone_ = std::find(std::begin(kNames), std::end(kNames), first_part(path)) != std::end(kNames);
    }
    if (!decided_) return;  // "./" before all others
    if (!is_clone_) return pass(entry);
    if (path.empty()) return;
    if (first_part(path) == "ROOT") {
      entry.path = path == "ROOT" ? "./" : "./" + path.substr(5);
      if (entry.type == archive::Entry::Type::hard_link) {
        std::string target = clean_member(entry.link);
        if (!target.starts_with("ROOT/")) throw IntegrityError(cat(source_, ": ", printable(path), " is a link that leaves ROOT"));
        entry.link = "./" + target.substr(5);
      }
      return pass(entry);
    }
    write_beside(path, entry);
  }

  void pass(const archive::Entry& entry) {
    writer_.add(entry);
    in_file_ = entry.type == archive::Entry::Type::file;
  }

  // Files beside ROOT: plain files, directories and links with short relative targets; never through a link.
  void write_beside(const std::string& path, const archive::Entry& entry) {
    auto parts = split(path, '/');
    if (parts.size() > 8 || path.size() > 1000) throw IntegrityError(cat(source_, ": ", printable(path), " is no file of a container"));
    if (parts[0].starts_with("owners")) return;  // its inodes are another container's: owners come with the entries of ROOT
    UniqueFd dir = open_fd(directory_, O_RDONLY | O_DIRECTORY);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      if (::mkdirat(dir.get(), parts[i].c_str(), 0755) != 0 && errno != EEXIST) throw_errno("make directory", cat(directory_, "/", parts[i]));
      dir = open_fd_at(dir.get(), parts[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    }
    const std::string& name = parts.back();
    using Type = archive::Entry::Type;
    if (entry.type == Type::directory) {
      if (::mkdirat(dir.get(), name.c_str(), 0755) != 0 && errno != EEXIST) throw_errno("make directory", cat(directory_, "/", printable(path)));
    } else if (entry.type == Type::symbolic_link) {
      ::unlinkat(dir.get(), name.c_str(), 0);
      if (::symlinkat(entry.link.c_str(), dir.get(), name.c_str()) != 0) throw_errno("make link", cat(directory_, "/", printable(path)));
    } else if (entry.type == Type::file && !entry.sparse) {
      if (entry.size > kLargestBeside - beside_) throw IntegrityError(cat(source_, ": too much beside ROOT"));
      beside_ += entry.size;
      ::unlinkat(dir.get(), name.c_str(), 0);
      UniqueFd file = open_fd_at(dir.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, (entry.mode & 0755) | 0600);
      for (auto part = reader_.data(); !part.empty(); part = reader_.data()) write_all(file.get(), part, cat(directory_, "/", printable(path)));
      file.close_checked(path);
    }
  }

  std::unique_ptr<archive::Input> from_;
  archive::TarReader reader_;
  archive::TarWriter writer_;
  std::string source_, directory_, pending_;
  bool& is_clone_;
  bool decided_ = false, ended_ = false, in_file_ = false;
  std::uint64_t beside_ = 0;
};

}  // namespace

std::unique_ptr<archive::Input> read_clone_archive(std::unique_ptr<archive::Input> tar, const std::string& source,
                                                   const std::string& directory, bool& is_clone) {
  return std::make_unique<CloneInput>(std::move(tar), source, directory, is_clone);
}

}  // namespace udocker::ops
