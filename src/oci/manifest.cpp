#include "oci/manifest.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>

namespace udocker::oci {

namespace {

constexpr std::uint64_t kLargestBlob = std::uint64_t{1} << 53;
constexpr std::size_t kMostEntries = 10000;

void check_count(const json::Array& array, std::string_view source) {
  if (array.size() > kMostEntries) throw IntegrityError(cat(source, ": more than ", kMostEntries, " entries"));
}

Platform platform_from(const json::Value& value) {
  return {value["os"].as_string(), value["architecture"].as_string(), value["variant"].as_string()};
}

Manifest parse_schema1(json::Value document, std::string_view source) {
  Manifest out;
  out.kind = DocumentKind::schema1;
  out.media_type = document["mediaType"].as_string();
  const auto& layers = document["fsLayers"].as_array();
  check_count(layers, source);
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    Descriptor descriptor;
    descriptor.digest = parse_digest((*layer)["blobSum"].as_string(), source);
    descriptor.size_known = false;
    out.layers.push_back(std::move(descriptor));
  }
  if (const auto& history = document["history"].as_array(); !history.empty())
    out.schema1_config = history[0]["v1Compatibility"].as_string();
  out.schema1_platform = normalised({"linux", document["architecture"].as_string(), ""});
  out.document = std::move(document);
  return out;
}

}  // namespace

bool Descriptor::is_attestation() const {
  if (auto found = annotations.find("vnd.docker.reference.type"); found != annotations.end()) return true;
  return platform && platform->os == "unknown" && platform->architecture == "unknown";
}

DocumentKind kind_of(const json::Value& document, std::string_view content_type) {
  if (auto kind = document_kind(document["mediaType"].as_string()); kind != DocumentKind::unknown) return kind;
  if (document["fsLayers"].is_array() && document["schemaVersion"].as_integer() == 1) return DocumentKind::schema1;
  if (document["manifests"].is_array()) return DocumentKind::index;
  if (document["layers"].is_array() || document["config"].is_object()) return DocumentKind::manifest;
  return document_kind(content_type);
}

Descriptor parse_descriptor(const json::Value& value, std::string_view source) {
  if (!value.is_object()) throw IntegrityError(cat(source, ": an entry is not an object"));
  Descriptor out;
  out.media_type = value["mediaType"].as_string();
  out.digest = parse_digest(value["digest"].as_string(), source);
  const auto& size = value["size"];
  if (!size.is_number() || size.as_number() < 0 || size.as_number() > static_cast<double>(kLargestBlob))
    throw IntegrityError(cat(source, ": ", out.digest.text(), " has no usable size"));
  out.size = static_cast<std::uint64_t>(size.as_integer());
  for (const auto& url : value["urls"].as_array())
    if (url.as_string().starts_with("https://") || url.as_string().starts_with("http://")) out.urls.push_back(url.as_string());
  if (value["data"].is_string()) out.data = base64_decode(value["data"].as_string());
  for (const auto& [key, text] : value["annotations"].as_object()) out.annotations[key] = text.as_string();
  if (value["platform"].is_object()) out.platform = platform_from(value["platform"]);
  out.artifact_type = value["artifactType"].as_string();
  return out;
}

Manifest parse_manifest(json::Value document, std::string_view source) {
  if (!document.is_object()) throw IntegrityError(cat(source, ": manifest is not a JSON object"));
  if (kind_of(document, {}) == DocumentKind::schema1) return parse_schema1(std::move(document), source);
  if (!document["config"].is_object()) throw IntegrityError(cat(source, ": manifest has no config"));
  Manifest out;
  out.media_type = document["mediaType"].as_string();
  out.config = parse_descriptor(document["config"], cat(source, ": config"));
  const auto& layers = document["layers"].as_array();
  check_count(layers, source);
  for (const auto& layer : layers) out.layers.push_back(parse_descriptor(layer, cat(source, ": layer")));
  out.artifact_type = document["artifactType"].as_string();
  const std::string& config_type = out.config.media_type;
  if (out.artifact_type.empty() && !config_type.empty() && !is_image_config(config_type) &&
      config_type != "application/octet-stream" && config_type != "application/json")
    out.artifact_type = config_type;
  if (is_image_config(config_type)) out.artifact_type.clear();
  out.document = std::move(document);
  return out;
}

Index parse_index(json::Value document, std::string_view source) {
  if (!document.is_object()) throw IntegrityError(cat(source, ": index is not a JSON object"));
  Index out;
  out.media_type = document["mediaType"].as_string();
  const auto& entries = document["manifests"].as_array();
  check_count(entries, source);
  for (const auto& entry : entries) out.entries.push_back(parse_descriptor(entry, source));
  out.document = std::move(document);
  return out;
}

std::vector<Descriptor> select_entries(const Index& index, const Platform& wanted) {
  std::vector<Descriptor> out;
  auto taken = [&](const Descriptor& entry) {
    return std::any_of(out.begin(), out.end(), [&](const Descriptor& other) { return other.digest == entry.digest; });
  };
  auto selectable = [](const Descriptor& entry) { return !entry.is_attestation(); };
  auto described = [](const Descriptor& entry) {
    return entry.platform && !(entry.platform->os.empty() && entry.platform->architecture.empty());
  };
  for (const auto& pattern : acceptable_platforms(wanted))
    for (const auto& entry : index.entries)
      if (selectable(entry) && described(entry) && matches(pattern, *entry.platform) && !taken(entry)) out.push_back(entry);
  for (const auto& entry : index.entries)
    if (selectable(entry) && !described(entry) && !taken(entry)) out.push_back(entry);
  return out;
}

std::string platform_list(const Index& index) {
  std::vector<std::string> names;
  for (const auto& entry : index.entries)
    if (!entry.is_attestation())
      if (std::string name = entry.platform ? printable(entry.platform->text()) : "unknown";
          std::find(names.begin(), names.end(), name) == names.end() && names.size() < 40)
        names.push_back(name);
  return join(names, ", ");
}

}  // namespace udocker::oci
