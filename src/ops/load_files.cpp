#include "ops/load_files.hpp"

#include "archive/extract.hpp"
#include "archive/tar.hpp"
#include "store/intake.hpp"
#include "util/cold_memory.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/progress.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr std::uint64_t kSmall = 64u << 10;         // files up to here are kept together in one journal
constexpr std::uint64_t kMostSmall = 1u << 30;      // bytes of them all
constexpr std::uint64_t kLargestText = 16u << 20;
constexpr std::size_t kMostMembers = 150'000;       // some hundreds belong to an image; their names take memory

archive::Compression compression_of(const std::string& path) {
  UniqueFd fd = open_fd(path, O_RDONLY);
  char start[16];
  return archive::detect_compression({start, read_full(fd.get(), start, sizeof start, path)});
}

Hasher::Algorithm algorithm_of(const std::string& digest) {
  return digest.starts_with("sha512:") ? Hasher::Algorithm::sha512 : Hasher::Algorithm::sha256;
}

std::string digest_of(std::string_view bytes, Hasher::Algorithm algorithm) {
  Hasher hasher(algorithm);
  hasher.update(bytes);
  return (algorithm == Hasher::Algorithm::sha512 ? "sha512:" : "sha256:") + hasher.finish_hex();
}

// "sha256:HEX" when the name is the one that an OCI layout gives to this blob.
std::string digest_in_name(const std::string& name) {
  auto parts = split(name, '/');
  if (parts.size() != 3 || parts[0] != "blobs") return {};
  std::string digest = cat(parts[1], ":", parts[2]);
  return store::is_digest(digest) ? digest : std::string();
}

void check_digest(const std::string& name, const std::string& wanted, const std::string& got) {
  if (!wanted.empty() && wanted != got) throw IntegrityError(cat("digest of ", printable(name)), wanted, got);
}

class ArchiveFiles : public LoadFiles {
 public:
  ArchiveFiles(const store::Repository& repository, std::string source)
      : LoadFiles(std::move(source)), repository_(repository), small_(repository.directories().layers) {}

  void read(UniqueFd input, const SizeLimit& limit) {
    struct stat st {};
    ::fstat(input.get(), &st);
    limit_ = limit(S_ISREG(st.st_mode) ? std::optional<std::uint64_t>(st.st_size) : std::nullopt);
    char start[16];
    ssize_t got = S_ISREG(st.st_mode) ? ::pread(input.get(), start, sizeof start, 0) : 0;
    bool is_compressed = got > 0 && archive::detect_compression({start, static_cast<std::size_t>(got)}) != archive::Compression::none;
    Progress progress(cat("reading ", source()), S_ISREG(st.st_mode) ? std::optional<std::uint64_t>(st.st_size) : std::nullopt);
    auto counted = std::make_unique<CountedInput>(std::make_unique<archive::FdInput>(std::move(input), source()), progress);
    auto stream = archive::decompressed(std::move(counted), source());
    // Reading and unpacking beside digesting and writing, where there is something to win.
    if (!S_ISREG(st.st_mode) || is_compressed) stream = archive::threaded(std::move(stream));
    archive::TarReader tar(*stream, source());
    archive::Entry entry;
    while (tar.next(entry)) {
      std::string name = clean_member(entry.path);
      if (name.empty()) continue;
      if (members_.size() >= kMostMembers) throw IntegrityError(cat(source(), ": more than ", kMostMembers, " files"));
      using Type = archive::Entry::Type;
      if (entry.type == Type::symbolic_link) {
        bool is_absolute = entry.link.starts_with('/');
        add_link(name, is_absolute ? entry.link : cat(path_dirname("/" + name), "/", entry.link));
      } else if (entry.type == Type::hard_link) {
        add_link(name, entry.link);
      } else if (entry.type == Type::file) {
        if (entry.sparse) throw NotSupported(cat(source(), ": ", printable(name), " is stored as a sparse file"), "make the archive without --sparse");
        members_[name] = read_member(tar, entry, name);
      }
    }
    tar.drain();
  }

  bool has(const std::string& name) const override { return find(name) != nullptr; }

  std::vector<std::string> directories_with(const std::string& file) const override {
    std::vector<std::string> found;
    for (const auto& [name, member] : members_)
      if (name.ends_with("/" + file)) found.push_back(name.substr(0, name.size() - file.size() - 1));
    return found;
  }

  std::string text(const std::string& name) const override {
    const Member* member = find(name);
    if (!member) missing(name);
    if (member->intake) return load_file(member->intake->path(), kLargestText);
    if (!member->present.empty()) return load_file(repository_.blobs().path(member->present), kLargestText);
    return content(*member);
  }

  TakenFile take(const std::string& name, const std::string& digest) override {
    Member& member = need(name);
    TakenFile taken;
    if (member.intake) {
      taken = {member.intake->digest(), member.intake->size(), compression_of(member.intake->path())};
    } else if (!member.present.empty()) {
      std::string path = repository_.blobs().path(member.present);
      taken = {member.present, repository_.blobs().size(member.present).value_or(0), compression_of(path)};
    } else {
      std::string bytes = content(member);
      taken = {digest_of(bytes, algorithm_of(digest)), bytes.size(), archive::detect_compression(bytes)};
    }
    check_digest(name, digest, taken.digest);
    taken_[taken.digest] = &member;
    return taken;
  }

  std::unique_ptr<archive::Input> open(const std::string& name) const override {
    const Member* member = find(name);
    if (!member) missing(name);
    if (member->intake) return archive::FdInput::open(member->intake->path());
    if (!member->present.empty()) return archive::FdInput::open(repository_.blobs().path(member->present));
    return std::make_unique<OwnedText>(content(*member));
  }

  void keep() override {
    for (auto& [digest, member] : taken_) {
      if (member->intake) {
        member->intake->keep();
      } else if (member->present.empty()) {
        pins_.push_back(repository_.blobs().pin({digest}));
        repository_.blobs().put(digest, content(*member));
      }
    }
    taken_.clear();
  }

 private:
  struct Member {
    std::string link;     // name in the archive, cleaned
    std::string present;  // digest of a blob that the store had before
    std::unique_ptr<store::Intake> intake;
    std::uint64_t at = 0;  // of a small file in the journal
    std::uint32_t size = 0;
  };
  std::string content(const Member& member) const { return small_.read(member.at, member.size); }

  class OwnedText : public archive::Input {
   public:
    explicit OwnedText(std::string text) : text_(std::move(text)) {}
    std::string_view next() override { return std::exchange(used_, true) ? std::string_view() : std::string_view(text_); }

   private:
    std::string text_;
    bool used_ = false;
  };

  class CountedInput : public archive::Input {
   public:
    CountedInput(std::unique_ptr<archive::Input> from, Progress& progress) : from_(std::move(from)), progress_(progress) {}
    std::string_view next() override {
      std::string_view piece = from_->next();
      progress_.add(piece.size());
      return piece;
    }

   private:
    std::unique_ptr<archive::Input> from_;
    Progress& progress_;
  };

  void add_link(const std::string& name, std::string_view target) {
    std::string clean = clean_member(target);
    if (clean.empty()) throw IntegrityError(cat(source(), ": ", printable(name), " is a link that leaves the archive"));
    Member member;
    member.link = clean;
    members_[name] = std::move(member);
  }

  Member read_member(archive::TarReader& tar, const archive::Entry& entry, const std::string& name) {
    Member member;
    bytes_ += entry.size;
    if (limit_ && bytes_ > limit_) throw Error(cat(source(), ": holds more than the limit of ", limit_, " bytes (", archive::kLimitAdvice, ")"));
    if (entry.size <= kSmall && small_.size() + entry.size <= kMostSmall) {
      member.size = static_cast<std::uint32_t>(entry.size);
      member.at = small_.append(tar.text(entry, kSmall));
      return member;
    }
    std::string digest = digest_in_name(name);
    if (!digest.empty()) {
      auto pins = repository_.blobs().pin({digest});
      if (repository_.blobs().has(digest)) {
        pins_.push_back(std::move(pins));
        member.present = digest;
        return member;
      }
    }
    member.intake = std::make_unique<store::Intake>(repository_.directories(), algorithm_of(digest));
    for (auto part = tar.data(); !part.empty(); part = tar.data()) member.intake->append(part);
    member.intake->seal();
    return member;
  }

  const Member* find(const std::string& name) const {
    std::string at = clean_member(name);
    for (int links = 0; links < 40; ++links) {
      auto found = members_.find(at);
      if (found == members_.end()) return nullptr;
      if (found->second.link.empty()) return &found->second;
      at = found->second.link;
    }
    return nullptr;
  }

  Member& need(const std::string& name) {
    if (const Member* member = find(name)) return const_cast<Member&>(*member);
    missing(name);
  }

  const store::Repository& repository_;
  std::map<std::string, Member> members_;
  std::map<std::string, Member*> taken_;  // by digest
  std::vector<store::Pins> pins_;
  Journal small_;
  std::uint64_t limit_ = 0, bytes_ = 0;
};

class DirectoryFiles : public LoadFiles {
 public:
  DirectoryFiles(const store::Repository& repository, const std::string& path)
      : LoadFiles(path), repository_(repository), root_(real_path(path)) {}

  bool has(const std::string& name) const override { return !find(name).empty(); }

  std::vector<std::string> directories_with(const std::string& file) const override {
    std::vector<std::string> found;
    for (auto& name : list_directory(root_))
      if (has(cat(name, "/", file))) found.push_back(std::move(name));
    return found;
  }

  std::string text(const std::string& name) const override { return load_file(need(name), kLargestText); }

  TakenFile take(const std::string& name, const std::string& digest) override {
    std::string path = need(name);
    auto compression = compression_of(path);
    if (!digest.empty()) {
      pins_.push_back(repository_.blobs().pin({digest}));
      if (repository_.blobs().has(digest)) return {digest, repository_.blobs().size(digest).value_or(0), compression};
    }
    auto intake = std::make_unique<store::Intake>(repository_.directories(), algorithm_of(digest));
    auto input = archive::FdInput::open(path);
    Progress progress(cat("reading ", source(), "/", name));
    for (auto piece = input->next(); !piece.empty(); piece = input->next()) {
      intake->append(piece);
      progress.add(piece.size());
    }
    check_digest(name, digest, intake->seal());
    intakes_.push_back(std::move(intake));
    return {intakes_.back()->digest(), intakes_.back()->size(), compression};
  }

  std::unique_ptr<archive::Input> open(const std::string& name) const override { return archive::FdInput::open(need(name)); }

  void keep() override {
    for (auto& intake : intakes_) intake->keep();
  }

 private:
  // Real path of a file that lies below the directory; "" otherwise.
  std::string find(const std::string& name) const {
    std::string clean = clean_member(name);
    if (clean.empty()) return {};
    std::string path = cat(root_, "/", clean);
    if (!is_regular(path)) return {};
    path = real_path(path);
    return starts_with_word(path, root_) || root_ == "/" ? path : std::string();
  }

  std::string need(const std::string& name) const {
    std::string path = find(name);
    if (path.empty()) missing(name);
    return path;
  }

  const store::Repository& repository_;
  std::string root_;
  std::vector<store::Pins> pins_;
  std::vector<std::unique_ptr<store::Intake>> intakes_;
};

}  // namespace

void LoadFiles::missing(const std::string& name) const {
  throw IntegrityError(cat(source_, ": no file ", printable(name), " in it"));
}

std::string clean_member(std::string_view name) {
  std::vector<std::string> parts;
  for (auto& part : split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(std::move(part));
    } else {
      if (parts.empty()) return {};
      parts.pop_back();
    }
  }
  return join(parts, "/");
}

std::unique_ptr<LoadFiles> read_image_archive(const store::Repository& repository, UniqueFd input, const std::string& source,
                                              const SizeLimit& limit) {
  auto files = std::make_unique<ArchiveFiles>(repository, source);
  files->read(std::move(input), limit);
  return files;
}

std::unique_ptr<LoadFiles> open_image_directory(const store::Repository& repository, const std::string& path) {
  return std::make_unique<DirectoryFiles>(repository, path);
}

}  // namespace udocker::ops
