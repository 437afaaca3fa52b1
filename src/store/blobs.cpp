#include "store/blobs.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::store {

namespace {

constexpr std::uint64_t kWriteBehind = 8u << 20;
constexpr std::string_view kPinPrefix = ".pins.";

std::string digest_of_fd(int fd, Hasher::Algorithm algorithm, const std::string& path) {
  Hasher hasher(algorithm);
  std::vector<char> buffer(1 << 18);
  while (std::size_t got = read_full(fd, buffer.data(), buffer.size(), path)) hasher.update(buffer.data(), got);
  return hasher.finish_hex();
}

}  // namespace

bool is_digest(std::string_view text) {
  std::size_t digits = text.starts_with("sha256:") ? 64 : text.starts_with("sha512:") ? 128 : 0;
  return digits && text.size() == 7 + digits && text.substr(7).find_first_not_of("0123456789abcdef") == text.npos;
}

Hasher::Algorithm digest_algorithm(std::string_view digest) {
  return digest.starts_with("sha512:") ? Hasher::Algorithm::sha512 : Hasher::Algorithm::sha256;
}

Pins::Pins(const Directories& dirs, const std::vector<std::string>& names) {
  path_ = cat(dirs.layers, "/", kPinPrefix, unique_suffix());
  make_file(path_, cat(Owner::self().text(), join(names, "\n"), "\n"));
}

Pins::Pins(Pins&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }

Pins::~Pins() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

BlobWriter::BlobWriter(const Directories& dirs, std::string digest, std::optional<std::uint64_t> size)
    : digest_(std::move(digest)),
      final_(cat(dirs.layers, "/", digest_)),
      part_(cat(dirs.layers, "/.", digest_, ".part")),
      size_(size),
      hasher_(digest_algorithm(digest_)) {
  if (!is_digest(digest_)) throw IntegrityError(cat(printable(digest_), ": not a digest of a known kind"));
  if ((complete_ = is_regular(final_))) return;
  lock_.emplace(Lock::take(cat(dirs.layers, "/.", digest_, ".lock"), std::chrono::hours(1)));
  if ((complete_ = is_regular(final_))) {
    lock_.reset();
    return;
  }
  fd_ = open_fd(part_, O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
  std::vector<char> buffer(1 << 18);
  while (std::size_t got = read_full(fd_.get(), buffer.data(), buffer.size(), part_)) {
    hasher_.update(buffer.data(), got);
    offset_ += got;
  }
  if (size_ && offset_ > *size_) restart();
}

BlobWriter::~BlobWriter() {
  if (fd_ && offset_ == 0) ::unlink(part_.c_str());
}

void BlobWriter::restart() {
  if (::ftruncate(fd_.get(), 0) != 0 || ::lseek(fd_.get(), 0, SEEK_SET) != 0) throw_errno("rewind", part_);
  hasher_ = Hasher(digest_algorithm(digest_));
  offset_ = 0;
}

void BlobWriter::append(std::string_view bytes) {
  if (size_ && bytes.size() > *size_ - offset_) {
    restart();
    throw IntegrityError(cat("blob ", digest_, ": more than the expected ", *size_, " bytes"));
  }
  write_all(fd_.get(), bytes, part_);
  hasher_.update(bytes);
  if ((offset_ + bytes.size()) / kWriteBehind != offset_ / kWriteBehind) ::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  offset_ += bytes.size();
  lock_->refresh();
}

void BlobWriter::commit() {
  if (complete_) return;
  if (size_ && offset_ != *size_)
    throw IntegrityError(cat("size of blob ", digest_), cat(*size_), cat(offset_));
  std::string got = cat(digest_.substr(0, 7), hasher_.finish_hex());
  if (got != digest_) {
    restart();
    throw IntegrityError("digest of blob", digest_, got);
  }
  if (::fsync(fd_.get()) != 0 && errno != EINVAL) throw_errno("sync", part_);
  fd_.close_checked(part_);
  if (::rename(part_.c_str(), final_.c_str()) != 0) throw_errno("rename to", final_);
  sync_directory(path_dirname(final_));
  complete_ = true;
  lock_.reset();
}

std::string Blobs::path(std::string_view name) const { return cat(dirs_.layers, "/", name); }

bool Blobs::has(std::string_view name) const { return is_regular(path(name)); }

std::optional<std::uint64_t> Blobs::size(std::string_view name) const {
  struct stat st;
  if (::stat(path(name).c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(st.st_size);
}

bool Blobs::verify(const std::string& name) const {
  UniqueFd fd(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  if (!is_digest(name)) return true;
  return name.substr(7) == digest_of_fd(fd.get(), digest_algorithm(name), name);
}

void Blobs::put(const std::string& digest, std::string_view content) const {
  BlobWriter writer(dirs_, digest, content.size());
  if (writer.complete()) return;
  writer.restart();
  writer.append(content);
  writer.commit();
}

void Blobs::put_named(const std::string& name, std::string_view content) const { make_file(path(name), content); }

std::vector<std::string> Blobs::list() const {
  std::vector<std::string> names;
  for (auto& name : list_directory(dirs_.layers))
    if (!name.starts_with('.')) names.push_back(std::move(name));
  return names;
}

std::vector<std::string> Blobs::pinned() const {
  std::vector<std::string> names;
  for (const auto& file : list_directory(dirs_.layers)) {
    if (!file.starts_with(kPinPrefix)) continue;
    auto text = find_file(path(file));
    if (!text) continue;
    auto lines = split(*text, '\n');
    auto owner = Owner::parse(lines[0]);
    struct stat st {};
    ::stat(path(file).c_str(), &st);
    if (!owner || !owner->may_live(std::chrono::seconds(std::time(nullptr) - st.st_mtime))) {
      ::unlink(path(file).c_str());
      continue;
    }
    names.insert(names.end(), lines.begin() + 1, lines.end());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace udocker::store
