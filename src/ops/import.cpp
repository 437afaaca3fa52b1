#include "ops/import.hpp"

#include "archive/apply.hpp"
#include "archive/foreign.hpp"
#include "oci/manifest.hpp"
#include "ops/clone.hpp"
#include "ops/clone_archive.hpp"
#include "ops/create.hpp"
#include "store/intake.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/progress.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

std::string shown(const ImportSource& source) { return source.file == "-" ? "standard input" : source.file; }

UniqueFd open_source(const ImportSource& source) {
  if (source.file == "-") {
    if (::isatty(STDIN_FILENO)) throw UsageError("the archive is expected on stdin, which is a terminal");
    return UniqueFd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  }
  if (!path_exists(source.file)) throw Error(cat("tar file does not exist:  ", printable(source.file)));
  if (is_directory(source.file)) throw SystemError("read", source.file, EISDIR);
  return open_fd(source.file, O_RDONLY);
}

class WatchedInput : public archive::Input {
 public:
  WatchedInput(std::unique_ptr<archive::Input> from, std::function<void(std::string_view)> watch)
      : from_(std::move(from)), watch_(std::move(watch)) {}
  std::string_view next() override {
    auto piece = from_->next();
    watch_(piece);
    return piece;
  }

 private:
  std::unique_ptr<archive::Input> from_;
  std::function<void(std::string_view)> watch_;
};

std::string local_time() {
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000000Z", &parts)};
}

// What the Python tool writes for images without metadata (compatibility spec 4.10).
json::Value generated_config(const oci::Platform& platform, const std::string& id, std::uint64_t size, const std::string& diff_id) {
  json::Object inner;
  for (const char* key : {"Hostname", "Domainname", "User", "Cpuset", "Image", "WorkingDir", "MacAddress"}) inner[key] = "";
  for (const char* key : {"Memory", "MemorySwap", "CpusShares"}) inner[key] = 0;
  for (const char* key : {"AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "NetworkDisable"})
    inner[key] = false;
  for (const char* key : {"PortSpecs", "ExposedPorts", "Env", "Cmd", "Volumes", "Entrypoint", "OnBuild", "Labels"}) inner[key] = nullptr;
  json::Value config;
  config.at("id") = id;
  config.at("comment") = "created by udocker";
  config.at("created") = local_time();
  config.at("architecture") = platform.architecture;
  config.at("os") = platform.os;
  if (!platform.variant.empty()) config.at("variant") = platform.variant;
  config.at("size") = static_cast<std::int64_t>(size);
  config.at("config") = inner;
  config.at("container_config") = inner;
  if (!diff_id.empty()) {
    config.at("rootfs").at("type") = "layers";
    config.at("rootfs").at("diff_ids") = json::Array{diff_id};
  }
  return config;
}

oci::Platform platform_of(const ImportSource& source) {
  if (!source.platform.empty()) return oci::parse_platform(source.platform);
  oci::Platform host = oci::host_platform();
  if (host.architecture == "amd64") host.variant.clear();
  return host;
}

archive::Limits limits_for(Session& session, const struct stat& source) {
  return unpack_limits(session.settings(), S_ISREG(source.st_mode) ? std::optional<std::uint64_t>(source.st_size) : std::nullopt);
}

// A layer made of an archive, taken in and read through once.
class LayerIntake {
 public:
  LayerIntake(Session& session, const ImportSource& source, Original original)
      : repository_(session.repository()), source_(source) {
    UniqueFd fd = open_source(source);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) throw_errno("look at", shown(source));
    Progress progress(cat("importing ", shown(source)), S_ISREG(status.st_mode) ? std::optional<std::uint64_t>(status.st_size) : std::nullopt);
    bool moves = original == Original::remove && S_ISREG(status.st_mode) && is_movable(status);
    if (!moves) intake_ = std::make_unique<store::Intake>(repository_.directories());
    Hasher stored;
    auto raw = std::make_unique<WatchedInput>(std::make_unique<archive::FdInput>(std::move(fd), shown(source)), [&](std::string_view piece) {
      progress.add(piece.size());
      size_ += piece.size();
      if (piece.empty()) return;
      if (start_.size() < 16) start_ += piece.substr(0, 16);
      if (intake_) intake_->append(piece);
      else stored.update(piece);
    });
    auto plain = archive::decompressed(std::move(raw), shown(source));
    auto tar = archive::as_tar(std::move(plain), shown(source), repository_.directories().layers, limits_for(session, status).bytes);
    if (tar.converted) {
      intake_ = std::make_unique<store::Intake>(repository_.directories());
      size_ = 0;
      start_.clear();
      tar.input = std::make_unique<WatchedInput>(std::move(tar.input), [&](std::string_view piece) {
        if (!piece.empty()) intake_->append(piece);
        size_ += piece.size();
      });
    }
    Hasher plain_hasher;
    bool is_plain = tar.converted || archive::detect_compression(start_) == archive::Compression::none;
    if (!is_plain) tar.input = archive::threaded(std::move(tar.input));
    WatchedInput watched(std::move(tar.input), [&](std::string_view piece) {
      if (!is_plain) plain_hasher.update(piece);
    });
    archive::TarReader reader(watched, shown(source));
    archive::Entry entry;
    while (reader.next(entry)) ++entries_;
    reader.drain();
    if (size_ == 0) throw IntegrityError(cat(shown(source), " is empty"));
    if (intake_) digest_ = intake_->seal();
    else digest_ = "sha256:" + stored.finish_hex();
    diff_id_ = is_plain ? digest_ : "sha256:" + plain_hasher.finish_hex();
  }

  const std::string& digest() const { return digest_; }
  const std::string& diff_id() const { return diff_id_; }
  std::uint64_t size() const { return size_; }
  std::string media_type() const {
    auto kind = archive::detect_compression(start_);
    std::string type = "application/vnd.docker.image.rootfs.diff.tar";
    return kind == archive::Compression::gzip ? type + ".gzip" : kind == archive::Compression::zstd ? type + ".zstd" : type;
  }

  void keep() {
    if (intake_) return intake_->keep();
    pins_.emplace(repository_.blobs().pin({digest_}));
    if (repository_.blobs().has(digest_)) return;
    UniqueFd fd = open_fd(source_.file, O_RDONLY);
    ::fsync(fd.get());
    if (::rename(source_.file.c_str(), repository_.blobs().path(digest_).c_str()) != 0) throw_errno("move", source_.file);
  }

 private:
  // Only a file of ours with no other name may become a blob by renaming.
  bool is_movable(const struct stat& status) const {
    struct stat layers {}, named {};
    return ::stat(repository_.directories().layers.c_str(), &layers) == 0 && layers.st_dev == status.st_dev &&
           ::lstat(source_.file.c_str(), &named) == 0 && S_ISREG(named.st_mode) && status.st_nlink == 1 && status.st_uid == ::geteuid();
  }

  const store::Repository& repository_;
  const ImportSource& source_;
  std::unique_ptr<store::Intake> intake_;
  std::optional<store::Pins> pins_;
  std::string digest_, diff_id_, start_;
  std::uint64_t size_ = 0, entries_ = 0;
};

void check_name(const store::Containers& containers, const std::string& name) {
  if (name.empty()) return;
  if (!store::Containers::is_valid_name(name)) throw Error("invalid container name or wrong format");
  if (containers.has_name(name)) throw Error("container name already exists");
}

// Unpacks the archive into the new container. stdin can be read only once, which the slower of the two ways does.
// `wrap` may look at and change the tar stream.
using Wrap = std::function<std::unique_ptr<archive::Input>(std::unique_ptr<archive::Input>)>;
void unpack(Session& session, const ImportSource& source, store::NewContainer& fresh, const Wrap& wrap) {
  Progress progress(cat("unpacking ", shown(source)));
  struct stat status {};
  bool again = source.file != "-" && ::stat(source.file.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  archive::ApplyOptions options;
  options.limits = limits_for(session, status);
  archive::Layer layer;
  layer.name = shown(source);
  layer.open = [&]() -> std::unique_ptr<archive::Input> {
    auto raw = std::make_unique<WatchedInput>(std::make_unique<archive::FdInput>(open_source(source), shown(source)),
                                              [&](std::string_view piece) { progress.add(piece.size()); });
    return wrap(archive::as_tar(archive::decompressed(std::move(raw), shown(source)), shown(source), path_dirname(fresh.directory()), options.limits.bytes).input);
  };
  options.owners = fresh.directory() + "/owners";
  options.whiteouts = archive::ApplyOptions::Whiteouts::keep;
  options.tick = [&fresh](const archive::ApplyResult&) { fresh.refresh(); };
  auto result = again ? archive::apply_layers(fresh.root(), {layer}, options) : archive::apply_bottom_up(fresh.root(), {layer}, options);
  log::debug("import", cat(result.entries, " entries, ", result.bytes, " bytes"));
}

}  // namespace

std::string import_image(Session& session, const ImportSource& source, const store::ImageName& image, Original original) {
  oci::Platform platform = platform_of(source);
  const auto& repository = session.repository();
  if (repository.images().find(image)) {
    log::info(cat("tag already exists in repo: ", image.tag));
    throw Error("importing");
  }
  LayerIntake layer(session, source, original);
  std::string digits = layer.digest().substr(layer.digest().find(':') + 1);
  std::string config = json::to_line(generated_config(platform, digits, layer.size(), layer.diff_id()));
  std::string config_digest = "sha256:" + sha256_hex(config);
  auto pins = repository.blobs().pin({config_digest});
  layer.keep();
  repository.blobs().put(config_digest, config);
  json::Value manifest;
  manifest.at("schemaVersion") = 2;
  manifest.at("mediaType") = oci::kDockerManifest;
  auto describe = [](json::Value& at, std::string_view type, const std::string& digest, std::uint64_t size) {
    at.at("mediaType") = type;
    at.at("digest") = digest;
    at.at("size") = static_cast<std::int64_t>(size);
  };
  describe(manifest.at("config"), "application/vnd.docker.container.image.v1+json", config_digest, config.size());
  json::Value described;
  describe(described, layer.media_type(), layer.digest(), layer.size());
  manifest.at("layers") = json::Array{described};
  repository.images().put_v2(image, manifest);
  if (original == Original::remove && source.file != "-") remove_file(source.file);
  return layer.digest();
}

store::Container import_container(Session& session, const ImportSource& source, const std::string& image, const std::string& name) {
  oci::Platform platform = platform_of(source);
  const auto& containers = session.repository().containers();
  check_name(containers, name);
  open_source(source);
  auto fresh = containers.make();
  unpack(session, source, fresh, [](auto input) { return input; });
  fresh.set_metadata(generated_config(platform, fresh.id(), 0, ""));
  fresh.set_image(image.empty() ? "IMPORTED:unknown" : image);
  store::Container container = fresh.commit(name);
  warn_if_strange(container.root(), container.id());
  return container;
}

store::Container import_clone(Session& session, const ImportSource& source, const std::string& name) {
  oci::Platform platform = platform_of(source);
  const auto& containers = session.repository().containers();
  check_name(containers, name);
  open_source(source);
  auto fresh = containers.make();
  bool is_clone = false;
  unpack(session, source, fresh, [&](std::unique_ptr<archive::Input> tar) {
    return read_clone_archive(std::move(tar), shown(source), fresh.directory(), is_clone);
  });
  if (!is_clone) log::warning(cat(printable(shown(source)), " is no clone archive: taken as a root file system"));
  if (find_file(fresh.directory() + "/container.json").value_or("").empty())
    fresh.set_metadata(generated_config(platform, fresh.id(), 0, ""));
  if (find_file(fresh.directory() + "/imagerepo.name").value_or("").empty()) fresh.set_image("IMPORTED:unknown");
  store::Container container = fresh.commit(name);
  redo_setup(container);
  warn_if_strange(container.root(), container.id());
  return container;
}

}  // namespace udocker::ops
