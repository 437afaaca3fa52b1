// Archives of `docker save` in all its ages, and skopeo's dir: format.
#include "oci/manifest.hpp"
#include "ops/load_parts.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <set>

namespace udocker::ops {

namespace {

constexpr std::size_t kMostLayers = 10000;

// dir: manifest.json is the manifest itself, blobs are files named by their digits.
FoundImage dir_image(const LoadFiles& files, const json::Value& document) {
  auto manifest = oci::parse_manifest(document, "manifest.json");
  if (!manifest.is_image()) throw NotSupported(cat(files.source(), ": no image but an artifact of type ", printable(manifest.artifact_type)));
  FoundImage image;
  image.config_file = std::string(manifest.config.digest.hex());
  image.config_digest = manifest.config.digest.text();
  image.config = files.text(image.config_file);
  for (const auto& layer : manifest.layers) image.layers.push_back({std::string(layer.digest.hex()), layer.digest.text()});
  image.manifest = std::move(manifest.document);
  return image;
}

FoundImage docker_image(const LoadFiles& files, const json::Value& entry) {
  FoundImage image;
  image.config_file = entry["Config"].as_string();
  if (image.config_file.empty()) throw IntegrityError(cat(files.source(), ": manifest.json names no Config"));
  image.config = files.text(image.config_file);
  image.config_digest = "sha256:" + sha256_hex(image.config);
  for (const auto& tag : entry["RepoTags"].as_array())
    if (tag.is_string() && tag.as_string().find("<none>") == std::string::npos) image.names.push_back(familiar_name(tag.as_string()));
  const auto& layers = entry["Layers"].as_array();
  if (layers.size() > kMostLayers) throw IntegrityError(cat(files.source(), ": an image with ", layers.size(), " layers"));
  for (const auto& layer : layers) {
    if (!layer.is_string()) throw IntegrityError(cat(files.source(), ": manifest.json names a layer badly"));
    image.layers.push_back({layer.as_string(), ""});
  }
  return image;
}

bool is_layer_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && id.find_first_not_of("0123456789abcdefABCDEF") == id.npos;
}

json::Value layer_json(const LoadFiles& files, const std::string& id) {
  if (!is_layer_id(id)) throw IntegrityError(cat(files.source(), ": not the id of a layer: ", printable(id)));
  return json::parse(files.text(id + "/json"), id + "/json");
}

json::Value history_of(const json::Value& layer) {
  json::Value entry{json::Object{}};
  if (!layer["created"].as_string().empty()) entry.at("created") = layer["created"];
  std::vector<std::string> words;
  for (const auto& word : layer["container_config"]["Cmd"].as_array()) words.push_back(word.as_string());
  if (!words.empty()) entry.at("created_by") = join(words, " ");
  return entry;
}

FoundImage legacy_image(const LoadFiles& files, const std::string& top) {
  FoundImage image;
  json::Value config{json::Object{}};
  json::Array history;
  std::set<std::string> seen;
  for (std::string id = top; !id.empty();) {
    if (!seen.insert(id).second) throw IntegrityError(cat(files.source(), ": the parents of layer ", id, " go round in a circle"));
    if (seen.size() > kMostLayers) throw IntegrityError(cat(files.source(), ": an image with too many layers"));
    json::Value layer = layer_json(files, id);
    if (id == top)
      for (const char* key : {"architecture", "os", "variant", "created", "author", "config", "container_config", "docker_version"})
        if (layer.has(key)) config.at(key) = layer[key];
    image.layers.push_back({id + "/layer.tar", ""});
    history.push_back(history_of(layer));
    id = layer["parent"].as_string();
  }
  std::reverse(image.layers.begin(), image.layers.end());
  std::reverse(history.begin(), history.end());
  config.at("history") = history;
  image.config = json::to_compact(config);
  return image;
}

}  // namespace

std::vector<FoundImage> find_docker_images(const LoadFiles& files) {
  json::Value document = json::parse(files.text("manifest.json"), "manifest.json");
  std::vector<FoundImage> found;
  if (document.is_object()) found.push_back(dir_image(files, document));
  for (const auto& entry : document.as_array()) found.push_back(docker_image(files, entry));
  return found;
}

std::vector<FoundImage> find_legacy_images(const LoadFiles& files) {
  std::vector<FoundImage> found;
  if (files.has("repositories")) {
    json::Value document = json::parse(files.text("repositories"), "repositories");
    for (const auto& [repository, tags] : document.as_object())
      for (const auto& [tag, id] : tags.as_object()) {
        found.push_back(legacy_image(files, id.as_string()));
        found.back().names = {familiar_name(cat(repository, ":", tag))};
      }
    return found;
  }
  // Saved by id: the tops are the layers that are nobody's parent.
  std::set<std::string> ids, parents;
  for (const auto& id : files.directories_with("json"))
    if (is_layer_id(id) && files.has(id + "/layer.tar")) ids.insert(id);
  for (const auto& id : ids) parents.insert(layer_json(files, id)["parent"].as_string());
  for (const auto& id : ids)
    if (!parents.count(id)) found.push_back(legacy_image(files, id));
  return found;
}

}  // namespace udocker::ops
