#include "archive/extract.hpp"

#include "archive/apply.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::archive {

namespace {

Hasher::Algorithm algorithm_of(const std::string& digest) {
  return digest.starts_with("sha512:") ? Hasher::Algorithm::sha512 : Hasher::Algorithm::sha256;
}

std::unique_ptr<Input> checked(std::unique_ptr<Input> input, const std::string& digest, const std::string& what) {
  if (digest.empty()) return input;
  return std::make_unique<DigestInput>(std::move(input), algorithm_of(digest), [digest, what](const std::string& got) {
    if (digest.substr(7) != got) throw IntegrityError(what, digest, digest.substr(0, 7) + got);
  });
}

// Two threads: one reads, digests and decompresses, the other digests the tar; the caller takes it apart.
std::unique_ptr<Input> stream_of(const Layer& layer) {
  auto stored = checked(layer.open(), layer.digest, cat("digest of layer ", layer.name));
  auto plain = decompressed(std::move(stored), cat("layer ", layer.name));
  if (!layer.diff_id.empty()) plain = threaded(std::move(plain));
  return threaded(checked(std::move(plain), layer.diff_id, cat("diff_id of layer ", layer.name)));
}

void empty_directory(const std::string& path) {
  for (const auto& name : list_directory(path)) remove_tree(cat(path, "/", name));
}

}  // namespace

LayerStream::LayerStream(const Layer& layer) : input_(stream_of(layer)), reader_(*input_, cat("layer ", layer.name)) {}

void Meter::count(const Entry& entry) {
  if (++result.entries > options_.limits.entries && options_.limits.entries)
    throw Error(cat("more files than the limit of ", options_.limits.entries,
                    " (UDOCKER_MAX_UNPACKED_FILES=NUMBER or the setting max_unpacked_files allows more, 0 any)"));
  std::uint64_t stored = entry.size;
  if (entry.sparse) {
    stored = 0;
    for (auto [offset, length] : entry.segments) stored += length;
  }
  result.bytes += stored;
  if (options_.limits.bytes && result.bytes > options_.limits.bytes)
    throw Error(cat("unpacks to more than the limit of ", options_.limits.bytes, " bytes (", kLimitAdvice, ")"));
  if (options_.tick && result.entries % 256 == 0) options_.tick(result);
}

Whiteout whiteout_of(std::string_view name, const ApplyOptions& options) {
  if (options.whiteouts == ApplyOptions::Whiteouts::keep || !name.starts_with(kWhiteoutPrefix)) return Whiteout::none;
  if (name == ".wh..wh..opq") return Whiteout::opaque;
  if (name.starts_with(".wh..wh.")) return Whiteout::ignored;  // bookkeeping of AUFS
  std::string_view target = name.substr(kWhiteoutPrefix.size());
  if (target.empty() || target == "." || target == "..") throw IntegrityError("a layer removes a file without a name");
  return Whiteout::name;
}

void check_length(const std::vector<std::string_view>& parts) {
  std::size_t length = 0;
  for (auto part : parts) length += part.size() + 1;
  if (length > 4095) throw IntegrityError("a path in a layer is longer than 4095 bytes");
  if (parts.size() > 400) throw IntegrityError("a path in a layer is deeper than 400 directories");
}

bool is_device_of_root(const std::vector<std::string_view>& parts, const Entry& entry) {
  if (entry.type != Entry::Type::character_device && entry.type != Entry::Type::block_device) return false;
  if (parts.size() >= 2 && parts[0] == "dev") return true;
  return parts.size() >= 4 && parts[0] == "etc" && parts[1] == "udev" && parts[2] == "devices";
}

void make_hard_link(int from_dir, const std::string& from, int dir, const std::string& name) {
  if (::linkat(from_dir, from.c_str(), dir, name.c_str(), 0) == 0) return;
  int error = errno;
  if (error != EPERM && error != EMLINK && error != EOPNOTSUPP && error != ENOSYS && error != EXDEV)
    throw SystemError("make hard link", printable(name), error);
  struct stat st;
  UniqueFd source(::openat(from_dir, from.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!source || ::fstat(source.get(), &st) != 0 || !S_ISREG(st.st_mode)) throw SystemError("make hard link", printable(name), error);
  UniqueFd target(::openat(dir, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, st.st_mode & 0777));
  if (!target) throw_errno("create", printable(name));
  std::vector<char> buffer(1 << 16);
  while (std::size_t got = read_full(source.get(), buffer.data(), buffer.size(), printable(from)))
    write_all(target.get(), {buffer.data(), got}, printable(name));
  timespec times[2] = {st.st_atim, st.st_mtim};
  ::futimens(target.get(), times);
  target.close_checked(printable(name));
}

Layer file_layer(const std::string& path, std::string name, std::string digest, std::string diff_id) {
  return {std::move(name), [path] { return FdInput::open(path); }, std::move(digest), std::move(diff_id)};
}

ApplyResult apply_layers(const std::string& root, const std::vector<Layer>& layers, const ApplyOptions& options) {
  if (layers.size() > 60000) throw Error("too many layers");
  MoreOpenFiles more;
  try {
    return apply_top_down(root, layers, options);
  } catch (const NeedsGeneral& reason) {
    log::debug("archive", cat("layers are applied one after the other: ", printable(reason.why)));
  }
  empty_directory(root);
  if (!options.owners.empty())
    for (const char* suffix : {"", ".xattr"}) remove_file(options.owners + suffix);
  return apply_bottom_up(root, layers, options);
}

}  // namespace udocker::archive
