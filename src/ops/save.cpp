#include "ops/save.hpp"

#include "archive/tar.hpp"
#include "ops/archive_output.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <map>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>

namespace udocker::ops {

namespace {

using store::ImageName;

struct Layer {
  std::string id;    // the digest's digits, or the id of a v1 layer
  std::string blob;  // name in layers/
};

struct SavedImage {
  std::vector<std::string> names;
  std::string config;         // bytes
  std::string config_digits;  // sha256 of them
  json::Value config_value;
  std::vector<Layer> layers;  // lowest first
};

std::string layer_id(std::string_view blob) {
  if (blob.ends_with(".layer")) blob.remove_suffix(6);
  if (auto colon = blob.find(':'); colon != blob.npos) blob.remove_prefix(colon + 1);
  return std::string(blob);
}

class Saver {
 public:
  explicit Saver(const store::Repository& repository) : repository_(repository) {}

  void add(const ImageName& name) {
    auto found = repository_.images().find(name);
    if (!found) throw Error(cat("save image failed: ", name.text(), ": no such image"));
    SavedImage image;
    try {
      for (const auto& blob : found->layers()) image.layers.push_back({layer_id(blob), blob});
      load_config(*found, image);
    } catch (Error& error) {
      error.add_context(cat("save image failed: ", name.text()));
      throw;
    }
    for (auto& other : images_)
      if (other.config == image.config) {
        if (std::find(other.names.begin(), other.names.end(), name.text()) == other.names.end()) other.names.push_back(name.text());
        return;
      }
    image.names.push_back(name.text());
    images_.push_back(std::move(image));
  }

  std::uint64_t size() const {
    std::uint64_t total = 0;
    std::set<std::string> seen;
    for (const auto& image : images_)
      for (const auto& layer : image.layers)
        if (seen.insert(layer.id).second) total += repository_.blobs().size(layer.blob).value_or(0);
    return total;
  }

  void write(ArchiveOutput& output) {
    archive::TarWriter tar(output);
    json::Array manifest;
    for (const auto& image : images_) {
      json::Array layers, names(image.names.begin(), image.names.end());
      for (const auto& layer : image.layers) layers.push_back(layer.id + "/layer.tar");
      json::Value entry;
      entry.at("Config") = image.config_digits + ".json";
      entry.at("RepoTags") = names;
      entry.at("Layers") = layers;
      manifest.push_back(std::move(entry));
    }
    plan_directories();
    tar.add_file("manifest.json", json::to_compact(manifest) + "\n");
    tar.add_file("repositories", json::to_compact(repositories_) + "\n");
    for (const auto& image : images_) tar.add_file(image.config_digits + ".json", image.config);
    for (const auto& directory : directories_) write_directory(tar, directory);
    tar.finish();
  }

 private:
  // A directory of the format before Docker 1.10, which the Python tool still reads: a layer with its parent.
  struct Directory {
    std::string id, parent;
    Layer layer;
    json::Value config;  // of the image, in its top layer
    bool is_link = false;  // its layer.tar is another one's
  };

  void load_config(const store::Image& found, SavedImage& image) {
    std::string blob = found.config_blob();
    if (!blob.empty()) image.config = load_file(repository_.blobs().path(blob), 64u << 20);
    image.config_value = blob.empty() ? found.config() : json::parse(image.config, blob);
    const auto& said = image.config_value["rootfs"]["diff_ids"].as_array();
    bool is_true = !blob.empty() && said.size() == image.layers.size();
    // Digests of v1 images were never checked by anybody.
    if (is_true && found.format() == store::Format::v1)
      for (std::size_t i = 0; i < said.size() && is_true; ++i) is_true = said[i].as_string() == diff_id(image.layers[i]);
    if (!is_true) {
      json::Array diff_ids;
      for (const auto& layer : image.layers) diff_ids.push_back(diff_id(layer));
      if (!image.config_value.is_object()) image.config_value = json::Object{};
      auto& rootfs = image.config_value.at("rootfs");
      rootfs = json::Object{};
      rootfs.at("type") = "layers";
      rootfs.at("diff_ids") = diff_ids;
      image.config = json::to_compact(image.config_value);
    }
    image.config_digits = sha256_hex(image.config);
  }

  std::string diff_id(const Layer& layer) {
    auto& known = diff_ids_[layer.id];
    if (!known.empty()) return known;
    auto input = archive::threaded(archive::decompressed(archive::FdInput::open(repository_.blobs().path(layer.blob)), layer.blob));
    Progress progress(cat("digesting layer ", layer.id.substr(0, 12)));
    Hasher hasher;
    for (auto piece = input->next(); !piece.empty(); piece = input->next()) {
      hasher.update(piece);
      progress.add(piece.size());
    }
    return known = "sha256:" + hasher.finish_hex();
  }

  // A layer that is there with another parent gets a second directory, with an id made of both.
  void plan_directories() {
    std::map<std::string, std::string> parent_of;         // of the ids given so far
    for (const auto& image : images_) {
      std::string parent;
      for (std::size_t i = 0; i < image.layers.size(); ++i) {
        Directory directory{image.layers[i].id, parent, image.layers[i], {}, false};
        auto known = parent_of.find(directory.id);
        if (known != parent_of.end() && known->second != parent) {
          directory.id = sha256_hex(cat(parent, " ", directory.layer.id));
          directory.is_link = true;
          known = parent_of.find(directory.id);
        }
        if (i + 1 == image.layers.size()) directory.config = image.config_value;
        parent = directory.id;
        if (known == parent_of.end()) {
          parent_of[directory.id] = directory.parent;
          directories_.push_back(std::move(directory));
        }
      }
      for (const auto& text : image.names)
        if (auto name = ImageName::find(text); name && !parent.empty()) repositories_.at(name->repository).at(name->tag) = parent;
    }
  }

  void write_directory(archive::TarWriter& tar, const Directory& directory) {
    archive::Entry entry;
    entry.type = archive::Entry::Type::directory;
    entry.path = directory.id + "/";
    entry.mode = 0755;
    tar.add(entry);
    tar.add_file(directory.id + "/VERSION", "1.0");
    json::Value metadata;
    metadata.at("id") = directory.id;
    if (!directory.parent.empty()) metadata.at("parent") = directory.parent;
    metadata.at("created") = "1970-01-01T00:00:00Z";
    metadata.at("os") = "linux";
    for (const char* key : {"architecture", "author", "config", "created", "os", "variant"})
      if (directory.config.has(key)) metadata.at(key) = directory.config[key];
    tar.add_file(directory.id + "/json", json::to_compact(metadata));
    entry.path = directory.id + "/layer.tar";
    entry.mode = 0644;
    if (directory.is_link) {
      entry.type = archive::Entry::Type::hard_link;
      entry.link = directory.layer.id + "/layer.tar";
      return tar.add(entry);
    }
    entry.type = archive::Entry::Type::file;
    std::string path = repository_.blobs().path(directory.layer.blob);
    UniqueFd fd = open_fd(path, O_RDONLY);
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) throw_errno("look at", path);
    entry.size = static_cast<std::uint64_t>(st.st_size);
    tar.add(entry);
    archive::FdInput input(std::move(fd), path);
    for (auto piece = input.next(); !piece.empty(); piece = input.next()) tar.write(piece);
  }

  const store::Repository& repository_;
  std::vector<SavedImage> images_;
  std::map<std::string, std::string> diff_ids_;
  std::vector<Directory> directories_;
  json::Value repositories_{json::Object{}};
};

}  // namespace

void save_images(Session& session, const std::vector<ImageName>& names, const std::string& output) {
  if (names.empty()) throw UsageError("must specify image:tag or repository/image:tag");
  Saver saver(session.repository());
  for (const auto& name : names) {
    if (!session.repository().images().find(name))
      throw Error(cat("save image failed: ", name.text(), ": no such image", suggest_image(session, name.text())));
    saver.add(name);
  }
  ArchiveOutput out(output, ArchiveOutput::Existing::refuse, "saving", saver.size());
  saver.write(out);
  out.commit();
}

}  // namespace udocker::ops
