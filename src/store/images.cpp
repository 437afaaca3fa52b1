#include "store/images.hpp"

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

// Text of a relative link at `directory`/x to `target`; both absolute.
std::string relative_target(const std::string& directory, const std::string& target) {
  auto from = split(directory, '/'), to = split(target, '/');
  std::size_t same = 0;
  while (same < from.size() && same < to.size() && from[same] == to[same]) ++same;
  std::string out;
  for (std::size_t i = same; i < from.size(); ++i) out += "../";
  return out + join(std::vector<std::string>(to.begin() + static_cast<long>(same), to.end()), "/");
}

void make_link(const std::string& directory, const std::string& name, const std::string& target) {
  std::string path = cat(directory, "/", name), text = relative_target(directory, target);
  if (find_link(path) == text) return;
  std::string temporary = cat(directory, "/.", unique_suffix(), ".tmp");
  if (::symlink(text.c_str(), temporary.c_str()) != 0) throw_errno("make link", path);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    int error = errno;
    ::unlink(temporary.c_str());
    throw SystemError("make link", path, error);
  }
}

bool is_marker(std::string_view name) {
  return name == "TAG" || name == "v1" || name == "v2" || name == "manifest" || name == "ancestry" || name == "PROTECT";
}

bool is_real_directory(const std::string& path) { return !find_link(path) && is_directory(path); }

std::vector<std::string> manifest_blobs(const json::Value& manifest) {
  std::vector<std::string> names;
  if (const auto& config = manifest["config"]["digest"].as_string(); !config.empty()) names.push_back(config);
  for (const auto& layer : manifest["layers"].as_array()) names.push_back(layer["digest"].as_string());
  for (const auto& layer : manifest["fsLayers"].as_array()) names.push_back(layer["blobSum"].as_string());
  return names;
}

}  // namespace

std::optional<ImageName> ImageName::find(std::string_view text) {
  ImageName name;
  auto at = text.find('@');
  std::string_view plain = text.substr(0, at);
  auto colon = plain.rfind(':');
  if (colon != plain.npos && plain.find('/', colon) != plain.npos) colon = plain.npos;
  name.repository = plain.substr(0, colon);
  name.tag = colon == plain.npos ? "latest" : plain.substr(colon + 1);
  if (at != text.npos) name.tag = text.substr(at + 1);
  // name:algo:hex, as images pulled by digest are listed
  if (at == text.npos)
    for (std::string_view algorithm : {":sha256", ":sha512"})
      if (name.repository.ends_with(algorithm) && is_digest(cat(algorithm.substr(1), ":", name.tag))) {
        name.tag = cat(algorithm.substr(1), ":", name.tag);
        name.repository.resize(name.repository.size() - algorithm.size());
      }
  if (at != text.npos && !is_digest(name.tag)) return std::nullopt;
  auto plain_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  if (name.tag.empty() || name.tag.size() > 200 || name.repository.empty() || name.repository.size() > 1000) return std::nullopt;
  if (!is_digest(name.tag) && (!std::all_of(name.tag.begin(), name.tag.end(), plain_char) || name.tag[0] == '.')) return std::nullopt;
  for (const auto& part : split(name.repository, '/')) {
    if (part.empty() || part.size() > 250 || part[0] == '.' || part[0] == '-' || part[0] == '_') return std::nullopt;
    for (char c : part)
      if (!plain_char(c) && c != ':') return std::nullopt;
  }
  auto repository_colon = name.repository.find(':');
  if (repository_colon != name.repository.npos && repository_colon > name.repository.find('/')) return std::nullopt;
  return name;
}

ImageName ImageName::parse(std::string_view text) {
  if (auto name = find(text)) return *name;
  throw UsageError("must specify image:tag or repository/image:tag");
}

Image::Image(Directories dirs, ImageName name)
    : dirs_(std::move(dirs)), name_(std::move(name)), directory_(cat(dirs_.repos, "/", name_.repository, "/", name_.tag)) {}

Format Image::format() const { return is_regular(directory_ + "/v2") || !is_regular(directory_ + "/v1") ? Format::v2 : Format::v1; }
bool Image::is_protected() const { return path_exists(directory_ + "/PROTECT"); }

json::Value Image::manifest() const {
  auto text = find_file(directory_ + "/manifest");
  if (!text) throw IntegrityError(cat("image ", name_.text(), " has no manifest"));
  return json::parse(*text, cat("manifest of ", name_.text()));
}

static json::Value ancestry_of(const std::string& directory, const ImageName& name) {
  auto text = find_file(directory + "/ancestry");
  if (!text) throw IntegrityError(cat("image ", name.text(), " has no list of layers"));
  return json::parse(*text, cat("list of layers of ", name.text()));
}

std::vector<std::string> Image::layers() const {
  std::vector<std::string> names;
  if (format() == Format::v2) {
    json::Value list = manifest();
    for (const auto& layer : list["layers"].as_array()) names.push_back(layer["digest"].as_string());
    for (const auto& layer : list["fsLayers"].as_array()) names.push_back(layer["blobSum"].as_string());
    if (!list["fsLayers"].as_array().empty()) std::reverse(names.begin(), names.end());
  } else {
    json::Value list = ancestry_of(directory_, name_);
    for (const auto& id : list.as_array()) names.push_back(id.as_string() + ".layer");
    std::reverse(names.begin(), names.end());
  }
  for (const auto& layer : names) {
    if (layer.empty() || layer.find('/') != layer.npos) throw IntegrityError(cat("image ", name_.text(), " names a layer badly"));
    if (!is_regular(cat(dirs_.layers, "/", layer))) throw IntegrityError(cat("image ", name_.text(), ": layer is missing: ", layer));
  }
  return names;
}

std::string Image::config_blob() const {
  if (format() == Format::v2) return manifest()["config"]["digest"].as_string();
  if (auto target = find_link(directory_ + "/container.json"); target && path_exists(directory_ + "/container.json"))
    return path_basename(*target);
  auto list = ancestry_of(directory_, name_);
  return list.as_array().empty() ? "" : list.as_array()[0].as_string() + ".json";
}

json::Value Image::config() const {
  std::string blob = config_blob();
  if (blob.empty()) {
    json::Value history = manifest()["history"];
    if (history.as_array().empty()) throw IntegrityError(cat("image ", name_.text(), " has no configuration"));
    return json::parse(history.as_array()[0]["v1Compatibility"].as_string(), cat("configuration of ", name_.text()));
  }
  auto text = blob.find('/') == blob.npos ? find_file(cat(dirs_.layers, "/", blob)) : std::nullopt;
  if (!text) throw IntegrityError(cat("image ", name_.text(), ": configuration is missing: ", printable(blob)));
  return json::parse(*text, cat("configuration of ", name_.text()));
}

std::vector<std::string> Image::links() const {
  std::vector<std::string> names;
  for (auto& entry : read_directory(directory_))
    if (entry.kind == EntryKind::link) names.push_back(std::move(entry.name));
  return names;
}

std::string platform_text(const json::Value& config) {
  auto part = [&](const char* key) {
    const auto& text = config[key].as_string();
    return text.empty() ? std::string("unknown") : text;
  };
  std::string text = cat(part("os"), "/", part("architecture"));
  if (const auto& variant = config["variant"].as_string(); !variant.empty()) text += "/" + variant;
  return text;
}

std::string Image::platform() const {
  try {
    return platform_text(config());
  } catch (const Error&) {
    return "unknown/unknown";
  }
}

std::string Images::directory(const ImageName& name) const { return cat(dirs_.repos, "/", name.repository, "/", name.tag); }
std::string Images::lock_path() const { return dirs_.repos + "/.lock"; }

std::optional<Image> Images::find(const ImageName& name) const {
  if (!is_regular(directory(name) + "/TAG")) return std::nullopt;
  return Image(dirs_, name);
}

// True when `directory` is an image's. A tag's directory may hold further repositories as well (a:b beside a/b:c).
static bool walk(const Directories& dirs, const std::string& directory, const std::string& repository, std::vector<Image>& found, int depth) {
  bool is_image = false;
  if (depth > 64) return false;
  for (const auto& entry : read_directory(directory)) {
    if (entry.kind == EntryKind::file) is_image = is_image || entry.name == "TAG";
    if (entry.kind != EntryKind::directory || entry.name.starts_with('.')) continue;
    std::string below = repository.empty() ? entry.name : cat(repository, "/", entry.name);
    if (walk(dirs, cat(directory, "/", entry.name), below, found, depth + 1) && !repository.empty())
      found.emplace_back(dirs, ImageName{repository, entry.name});
  }
  return is_image;
}

std::vector<Image> Images::list() const {
  std::vector<Image> found;
  walk(dirs_, dirs_.repos, "", found, 0);
  std::sort(found.begin(), found.end(), [](const Image& a, const Image& b) { return a.name() < b.name(); });
  return found;
}

void Images::fill(const ImageName& name, const std::vector<std::string>& links, const std::string& file,
                  const std::string& content, Format format, const std::string& config_blob) const {
  std::string place = directory(name);
  Lock lock = Lock::take(lock_path());
  std::vector<std::string> needed = links;
  if (!config_blob.empty()) needed.push_back(config_blob);
  for (const auto& blob : needed)
    if (blob.empty() || blob.find('/') != blob.npos || blob.starts_with('.') || !blobs_.has(blob))
      throw IntegrityError(cat("image ", name.text(), ": blob is missing: ", printable(blob)));
  make_directories(place);
  for (const auto& blob : links) make_link(place, blob, blobs_.path(blob));
  if (!config_blob.empty()) make_link(place, "container.json", blobs_.path(config_blob));
  make_file(cat(place, "/", file), content);
  make_file(place + (format == Format::v2 ? "/v2" : "/v1"), "");
  remove_file(place + (format == Format::v2 ? "/v1" : "/v2"));
  remove_file(place + (format == Format::v2 ? "/ancestry" : "/manifest"));
  for (const auto& old : list_directory(place)) {
    bool ours = std::find(links.begin(), links.end(), old) != links.end() || (old == "container.json" && !config_blob.empty());
    if (!ours && !is_marker(old) && find_link(cat(place, "/", old))) remove_file(cat(place, "/", old));
  }
  make_file(place + "/TAG", place.substr(0, place.size() - name.tag.size() - 1) + ":" + name.tag);
  sync_directory(place);
  sync_directory(path_dirname(place));
}

void Images::put_v2(const ImageName& name, const json::Value& manifest) const {
  fill(name, manifest_blobs(manifest), "manifest", json::to_line(manifest), Format::v2, "");
}

void Images::put_v1(const ImageName& name, const std::vector<std::string>& ancestry, const std::string& config_blob) const {
  std::vector<std::string> links;
  json::Array list;
  for (const auto& id : ancestry) {
    list.push_back(id);
    links.push_back(id + ".layer");
    if (blobs_.has(id + ".json")) links.push_back(id + ".json");
  }
  fill(name, links, "ancestry", json::to_line(list), Format::v1, config_blob);
}

void Images::copy(const Image& source, const ImageName& target) const {
  if (source.format() == Format::v2) return put_v2(target, source.manifest());
  auto ids = source.layers();
  std::reverse(ids.begin(), ids.end());
  for (auto& id : ids) id.resize(id.size() - std::string_view(".layer").size());
  auto links = source.links();
  bool has_config = std::find(links.begin(), links.end(), "container.json") != links.end();
  put_v1(target, ids, has_config ? source.config_blob() : "");
}

static void collect_links(const std::string& directory, std::vector<std::string>& names, int depth) {
  for (const auto& name : list_directory(directory)) {
    std::string path = cat(directory, "/", name);
    if (auto target = find_link(path)) {
      names.push_back(name);
      names.push_back(path_basename(*target));
    } else if (depth < 64 && !is_regular(path) && is_directory(path)) {
      collect_links(path, names, depth + 1);
    }
  }
}

std::vector<std::string> Images::referenced() const {
  std::vector<std::string> names;
  collect_links(dirs_.repos, names, 0);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void Images::remove(const ImageName& name, Force force) const {
  Lock lock = Lock::take(lock_path());
  auto image = find(name);
  if (!image) throw Error("deleting image");
  if (image->is_protected()) throw Error("image repository is protected");
  std::string place = image->directory();
  std::vector<std::string> mine;
  collect_links(place, mine, 64);
  auto drop = [&](const std::string& path) {
    try {
      remove_file(path);
    } catch (const SystemError&) {
      if (force == Force::no) throw;
    }
  };
  drop(place + "/TAG");
  for (const auto& entry : list_directory(place))
    if (!is_real_directory(cat(place, "/", entry))) drop(cat(place, "/", entry));
  auto kept = referenced(), pins = blobs_.pinned();
  for (const auto& blob : mine)
    if (!std::binary_search(kept.begin(), kept.end(), blob) && !std::binary_search(pins.begin(), pins.end(), blob)) drop(blobs_.path(blob));
  for (std::string up = place; up != dirs_.repos && ::rmdir(up.c_str()) == 0;) up = path_dirname(up);
}

void Images::set_protected(const ImageName& name, bool on) const {
  if (!find(name)) throw Error("image not found");
  std::string mark = directory(name) + "/PROTECT";
  if (on) make_file(mark, "");
  else if (!path_exists(mark)) throw Error("image is not protected");
  else remove_file(mark);
}

// Removes directories below repos/ that hold no image; true when `directory` itself is gone.
static bool prune_directory(const std::string& directory, bool is_top, std::size_t& count) {
  bool is_image = is_regular(directory + "/TAG"), empty = true;
  for (const auto& name : list_directory(directory)) {
    std::string path = cat(directory, "/", name);
    if (is_real_directory(path)) {
      if (!prune_directory(path, false, count)) empty = false;
    } else if (is_top || is_image) {
      empty = false;
      if (name.ends_with(".tmp") || (name.starts_with(".lock.") && !is_locked(path))) ++count, remove_file(path);
    } else {
      remove_file(path);
    }
  }
  if (is_top || is_image || !empty) return false;
  ++count;
  return ::rmdir(directory.c_str()) == 0;
}

std::size_t Images::prune() const {
  std::size_t count = 0;
  Lock lock = Lock::take(lock_path());
  prune_directory(dirs_.repos, true, count);
  auto kept = referenced(), pins = blobs_.pinned();
  for (const auto& name : list_directory(dirs_.layers)) {
    std::string path = blobs_.path(name);
    if (name.starts_with('.')) {
      bool is_part = name.ends_with(".part");
      if (is_locked(is_part ? cat(path.substr(0, path.size() - 5), ".lock") : path)) continue;
    } else if (std::binary_search(kept.begin(), kept.end(), name) || std::binary_search(pins.begin(), pins.end(), name)) {
      continue;
    }
    remove_file(path);
    ++count;
  }
  return count;
}

}  // namespace udocker::store
