#include "ops/load.hpp"

#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "ops/create.hpp"
#include "ops/load_parts.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <set>

#include <fcntl.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

using store::ImageName;

std::unique_ptr<LoadFiles> open_source(const store::Repository& repository, const std::string& file, const SizeLimit& limit) {
  if (file == "-") {
    if (::isatty(STDIN_FILENO)) throw UsageError("the image archive is expected on stdin, which is a terminal: use -i FILE");
    return read_image_archive(repository, UniqueFd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)), "standard input", limit);
  }
  if (is_directory(file)) return open_image_directory(repository, file);
  return read_image_archive(repository, open_fd(file, O_RDONLY), file, limit);
}

std::vector<FoundImage> find_images(const LoadFiles& files, const oci::Platform& wanted) {
  bool has_docker = files.has("manifest.json");
  if (files.has("index.json") && (files.has("oci-layout") || !has_docker)) {
    std::vector<FoundImage> found;
    try {
      found = find_oci_images(files, wanted);
    } catch (const IntegrityError& error) {
      if (!has_docker) throw;
      log::debug("load", cat("not read as OCI layout: ", error.what()));
      return find_docker_images(files);
    }
    // docker save writes both; names may stand in either.
    bool nameless = std::any_of(found.begin(), found.end(), [](const auto& image) { return image.names.empty(); });
    if (has_docker && (nameless || found.empty())) {
      auto docker = find_docker_images(files);
      if (found.empty()) return docker;
      for (auto& image : found)
        for (const auto& other : docker)
          if (image.names.empty() && other.config_digest == image.config_digest) image.names = other.names;
    }
    return found;
  }
  if (has_docker) return find_docker_images(files);
  return find_legacy_images(files);
}

// A repository name made of a file's name: "My image.tar.gz" gives "my-image".
std::string name_of_file(const std::string& file) {
  std::string name = file == "-" ? "loaded" : to_lower(path_basename(absolute_path(file)));
  for (bool cut = true; cut;) {
    cut = false;
    for (std::string_view suffix : {".tar", ".tgz", ".gz", ".xz", ".zst", ".bz2", ".oci", ".docker"})
      if (name.size() > suffix.size() && name.ends_with(suffix)) name.resize(name.size() - suffix.size()), cut = true;
  }
  for (char& c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_')) c = '-';
  while (!name.empty() && std::string_view("-._").find(name[0]) != std::string_view::npos) name.erase(0, 1);
  return name.empty() ? "loaded" : name;
}

class Loader {
 public:
  Loader(const store::Repository& repository, LoadFiles& files, const LoadRequest& request)
      : repository_(repository), files_(files), request_(request) {}

  std::vector<ImageName> run(const std::vector<FoundImage>& images) {
    for (const auto& image : images) check_platform(image);
    for (const auto& image : images) load(image, images.size() == 1);
    return loaded_;
  }

 private:
  void check_platform(const FoundImage& image) const {
    if (request_.platform.empty()) return;
    json::Value config = json::parse(image.config, "image configuration");
    oci::Platform have{config["os"].as_string(), config["architecture"].as_string(), config["variant"].as_string()};
    auto patterns = oci::acceptable_platforms(oci::parse_platform(request_.platform));
    if (!std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) { return oci::matches(pattern, have); }))
      throw Error(cat(files_.source(), ": the image is for ", printable(have.text()), ", not for ", request_.platform));
  }

  std::vector<ImageName> names_of(const FoundImage& image, bool is_only) const {
    std::string id = sha256_hex(image.config).substr(0, 12);
    if (image.config_digest.starts_with("sha256:")) id = image.config_digest.substr(7, 12);
    std::string fallback = request_.repository.empty() ? name_of_file(request_.file) : request_.repository;
    std::vector<std::string> texts = image.names;
    if (texts.empty()) texts = {cat(":", is_only && !request_.repository.empty() ? "latest" : id)};
    std::vector<ImageName> names;
    for (const auto& text : texts) {
      auto name = ImageName::find(text.starts_with(':') ? fallback + text : text);
      if (!name) throw IntegrityError(cat(files_.source(), ": not a usable image name: ", printable(text)));
      if (!request_.repository.empty()) name->repository = request_.repository;
      if (std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(*name);
    }
    return names;
  }

  // The same configuration means the same layers.
  bool is_same(const store::Image& have, const FoundImage& image) const {
    try {
      return !image.config_digest.empty() && have.config_blob() == image.config_digest && have.layers().size() == image.layers.size();
    } catch (const Error&) {
      return false;  // it is not whole
    }
  }

  void load(const FoundImage& image, bool is_only) {
    std::vector<ImageName> wanted;
    for (const auto& name : names_of(image, is_only)) {
      auto have = repository_.images().find(name);
      if (!have) {
        wanted.push_back(name);
      } else if (is_same(*have, image)) {
        loaded_.push_back(name);
      } else {
        log::info(cat("repository and tag already exist ", name.repository, " ", name.tag));
      }
    }
    if (wanted.empty()) return;
    json::Value manifest = image.manifest.is_null() ? take_docker(image) : take_oci(image);
    files_.keep();
    for (const auto& name : wanted) {
      repository_.images().put_v2(name, manifest);
      loaded_.push_back(name);
    }
  }

  TakenFile take_layer(const FoundLayer& layer) {
    auto taken = files_.take(layer.file, layer.digest);
    if (told_.insert(taken.digest).second) log::info(cat("adding layer: ", taken.digest.substr(taken.digest.find(':') + 1)));
    return taken;
  }

  static void check_size(const TakenFile& taken, std::optional<std::uint64_t> expected) {
    if (expected && *expected != taken.size) throw IntegrityError(cat("size of ", taken.digest), cat(*expected), cat(taken.size));
  }

  json::Value take_oci(const FoundImage& image) {
    for (const auto& layer : image.layers) check_size(take_layer(layer), layer.size);
    files_.take(image.config_file, image.config_digest);
    return image.manifest;
  }

  std::string diff_id_of(const std::string& file, const TakenFile& layer) {
    if (layer.compression == archive::Compression::none && layer.digest.starts_with("sha256:")) return layer.digest;
    if (auto known = diff_ids_.find(layer.digest); known != diff_ids_.end()) return known->second;
    auto input = archive::threaded(archive::decompressed(files_.open(file), file));
    Hasher hasher;
    for (auto piece = input->next(); !piece.empty(); piece = input->next()) hasher.update(piece);
    return diff_ids_[layer.digest] = "sha256:" + hasher.finish_hex();
  }

  static json::Value descriptor(std::string_view media_type, const std::string& digest, std::uint64_t size) {
    json::Value value;
    value.at("mediaType") = media_type;
    value.at("digest") = digest;
    value.at("size") = static_cast<std::int64_t>(size);
    return value;
  }

  // Layers of docker archives are anonymous: only the configuration says what they must be.
  json::Value take_docker(const FoundImage& image) {
    json::Value config = json::parse(image.config, printable(image.config_file)), layers{json::Array{}};
    bool is_legacy = image.config_file.empty();
    const auto& expected = config["rootfs"]["diff_ids"].as_array();
    if (!is_legacy && config["rootfs"].is_object() && expected.size() != image.layers.size())
      throw IntegrityError(cat(files_.source(), ": the archive has ", image.layers.size(), " layers for an image of ", expected.size()));
    json::Array diff_ids;
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
      TakenFile layer = take_layer(image.layers[i]);
      if (is_legacy) {
        diff_ids.push_back(diff_id_of(image.layers[i].file, layer));
      } else if (i < expected.size()) {
        std::string got = diff_id_of(image.layers[i].file, layer);
        if (got != expected[i].as_string())
          throw IntegrityError(cat("content of layer ", printable(image.layers[i].file)), printable(expected[i].as_string()), got);
      }
      using archive::Compression;
      std::string type = "application/vnd.docker.image.rootfs.diff.tar";
      if (layer.compression == Compression::gzip) type += ".gzip";
      else if (layer.compression == Compression::zstd) type += ".zstd";
      layers.push_back(descriptor(type, layer.digest, layer.size));
    }
    std::string text = image.config, digest = image.config_digest;
    if (is_legacy) {
      config.at("rootfs").at("type") = "layers";
      config.at("rootfs").at("diff_ids") = diff_ids;
      text = json::to_compact(config);
      digest = "sha256:" + sha256_hex(text);
      pins_.push_back(repository_.blobs().pin({digest}));
      repository_.blobs().put(digest, text);
    } else {
      files_.take(image.config_file, digest);
    }
    json::Value manifest;
    manifest.at("schemaVersion") = 2;
    manifest.at("mediaType") = oci::kDockerManifest;
    manifest.at("config") = descriptor("application/vnd.docker.container.image.v1+json", digest, text.size());
    manifest.at("layers") = layers;
    return manifest;
  }

  const store::Repository& repository_;
  LoadFiles& files_;
  const LoadRequest& request_;
  std::vector<ImageName> loaded_;
  std::set<std::string> told_;
  std::map<std::string, std::string> diff_ids_;
  std::vector<store::Pins> pins_;
};

}  // namespace

std::vector<ImageName> load_images(Session& session, const LoadRequest& request) {
  oci::Platform wanted = request.platform.empty() ? oci::host_platform() : oci::parse_platform(request.platform);
  if (!request.repository.empty()) oci::parse_repository(request.repository);
  const store::Repository& repository = session.repository();
  auto limit = [&](std::optional<std::uint64_t> stored) { return unpack_limits(session.settings(), stored).bytes; };
  auto files = open_source(repository, request.file, limit);
  auto images = find_images(*files, wanted);
  if (images.empty()) throw Error(cat("load failed: there is no image in ", files->source()));
  auto loaded = Loader(repository, *files, request).run(images);
  if (loaded.empty()) throw Error("load failed: all its names exist already with other content (remove them with rmi, or give another name)");
  return loaded;
}

}  // namespace udocker::ops
