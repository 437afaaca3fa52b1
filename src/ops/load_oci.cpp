// OCI image layouts: image-spec image-layout.md, and what docker, containerd, skopeo and umoci write into index.json.
#include "oci/manifest.hpp"
#include "ops/load_parts.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <map>

namespace udocker::ops {

namespace {

constexpr int kDeepest = 8;

std::string blob_file(const oci::Digest& digest) {
  return cat("blobs/", digest.algorithm() == Hasher::Algorithm::sha512 ? "sha512" : "sha256", "/", digest.hex());
}

std::string blob_text(const LoadFiles& files, const oci::Descriptor& blob) {
  const oci::Digest& digest = blob.digest;
  std::string text = files.text(blob_file(digest));
  if (text.size() != blob.size) throw IntegrityError(cat("size of ", blob_file(digest)), cat(blob.size), cat(text.size()));
  auto got = oci::digest_of(text, digest.algorithm());
  if (got != digest) throw IntegrityError(cat("digest of ", blob_file(digest)), digest.text(), got.text());
  return text;
}

// Names that the entry gives to its image; a bare tag as ":tag".
std::vector<std::string> names_of(const oci::Descriptor& entry) {
  auto value = [&](const char* key) {
    auto found = entry.annotations.find(key);
    return found == entry.annotations.end() ? std::string() : found->second;
  };
  if (auto full = value("io.containerd.image.name"); !full.empty()) return {familiar_name(full)};
  std::string name = value("org.opencontainers.image.ref.name");
  if (name.empty()) return {};
  return {name.find_first_of(":/@") == name.npos ? ":" + name : name};
}

class Layout {
 public:
  Layout(const LoadFiles& files, const oci::Platform& wanted) : files_(files), wanted_(wanted) {}

  std::vector<FoundImage> images() const {
    auto index = oci::parse_index(json::parse(files_.text("index.json"), "index.json"), "index.json");
    // Entries of one name are one image for several platforms.
    std::vector<std::vector<oci::Descriptor>> groups;
    std::map<std::string, std::size_t> group_of;
    for (const auto& entry : index.entries) {
      if (entry.is_attestation()) continue;
      std::string key = join(names_of(entry), " ");
      auto known = group_of.find(key);
      bool joins = known != group_of.end() && entry.platform && groups[known->second][0].platform &&
                   *entry.platform != *groups[known->second][0].platform;
      if (joins) {
        groups[known->second].push_back(entry);
      } else {
        group_of[key] = groups.size();
        groups.push_back({entry});
      }
    }
    std::vector<FoundImage> found;
    for (const auto& group : groups) {
      oci::Index choice;
      choice.entries = group;
      auto image = group.size() == 1 ? resolve(group[0], 0) : choose(choice, 0);
      if (!image) continue;
      image->names = names_of(group[0]);
      found.push_back(std::move(*image));
    }
    return found;
  }

 private:
  std::optional<FoundImage> resolve(const oci::Descriptor& entry, int depth) const {
    if (depth > kDeepest) throw IntegrityError(cat(files_.source(), ": indexes are nested too deep"));
    json::Value document = json::parse(blob_text(files_, entry), blob_file(entry.digest));
    auto kind = oci::kind_of(document, entry.media_type);
    if (kind == oci::DocumentKind::index) return choose(oci::parse_index(std::move(document), entry.digest.text()), depth + 1);
    auto manifest = oci::parse_manifest(std::move(document), entry.digest.text());
    if (!manifest.is_image()) {
      log::warning(cat("no image but an artifact of type ", printable(manifest.artifact_type), ": ", entry.digest.text()));
      return std::nullopt;
    }
    FoundImage image;
    image.config_file = blob_file(manifest.config.digest);
    image.config = blob_text(files_, manifest.config);
    image.config_digest = manifest.config.digest.text();
    for (const auto& layer : manifest.layers) image.layers.push_back({blob_file(layer.digest), layer.digest.text(), layer.size});
    image.manifest = std::move(manifest.document);
    return image;
  }

  std::optional<FoundImage> choose(const oci::Index& index, int depth) const {
    for (const auto& entry : oci::select_entries(index, wanted_)) {
      if (!files_.has(blob_file(entry.digest))) continue;  // archives hold some of the platforms that their index lists
      auto image = resolve(entry, depth);
      if (!image) continue;
      bool is_described = entry.platform && !entry.platform->architecture.empty();
      if (is_described || fits(image->config)) return image;
    }
    throw Error(cat(files_.source(), ": there is no image for ", wanted_.text(), "; there are: ", oci::platform_list(index)));
  }

  bool fits(const std::string& config) const {
    json::Value value = json::parse(config, "image configuration");
    oci::Platform have{value["os"].as_string(), value["architecture"].as_string(), value["variant"].as_string()};
    auto patterns = oci::acceptable_platforms(wanted_);
    return have.architecture.empty() ||
           std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) { return oci::matches(pattern, have); });
  }

  const LoadFiles& files_;
  oci::Platform wanted_;
};

}  // namespace

std::string familiar_name(std::string name) {
  for (std::string_view prefix : {"docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/"})
    if (name.starts_with(prefix) && name.size() > prefix.size()) return name.substr(prefix.size());
  return name;
}

std::vector<FoundImage> find_oci_images(const LoadFiles& files, const oci::Platform& wanted) {
  return Layout(files, wanted).images();
}

}  // namespace udocker::ops
