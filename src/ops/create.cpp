#include "ops/create.hpp"

#include "oci/image_config.hpp"
#include "ops/hello.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/progress.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr std::size_t kMostHeld = 128;  // what engines allow at all; beyond it the limit of open files is near

// A layer held open from the start: an image that is removed meanwhile does not disturb.
archive::Layer held_layer(archive::Layer layer, const std::string& path) {
  auto fd = std::make_shared<UniqueFd>(open_fd(path, O_RDONLY));
  layer.open = [fd, name = layer.name]() -> std::unique_ptr<archive::Input> {
    if (::lseek(fd->get(), 0, SEEK_SET) != 0) throw_errno("rewind", name);
    return std::make_unique<archive::FdInput>(fd->get(), name);
  };
  return layer;
}

std::vector<archive::Layer> layers_of(const store::Repository& repository, const store::Image& image, const json::Value& config) {
  auto names = image.layers();
  // In v1 images the Python tool's import writes the digest of the compressed file there.
  auto ids = image.format() == store::Format::v2 ? oci::diff_ids(config) : std::vector<std::string>();
  bool has_ids = ids.size() == names.size();
  std::vector<archive::Layer> layers;
  const std::size_t held = share_of_open_files(kMostHeld);
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::string path = repository.blobs().path(names[i]);
    auto layer = archive::file_layer(path, names[i], store::is_digest(names[i]) ? names[i] : "", has_ids ? ids[i] : "");
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) throw_errno("open", path);
    layer.stored = static_cast<std::uint64_t>(st.st_size);
    layers.push_back(i < held ? held_layer(std::move(layer), path) : std::move(layer));
  }
  return layers;
}

}  // namespace

ImageContent load_image_content(const store::Repository& repository, const store::Image& image) {
  json::Value config = image.config();
  auto layers = layers_of(repository, image, config);
  return {image.name().text(), std::move(config), std::move(layers)};
}

archive::Limits unpack_limits(const config::Settings& settings, std::optional<std::uint64_t> stored) {
  constexpr std::uint64_t kAlways = 8ull << 30, kTimes = 100;
  archive::Limits limits;
  limits.entries = static_cast<std::uint64_t>(std::max(0, settings.max_unpacked_files));
  auto text = trim(settings.max_unpacked_size);
  if (text.empty() || text == "auto") {
    limits.bytes = stored && *stored < (1ull << 50) ? std::max(kAlways, *stored * kTimes) : 0;
    return limits;
  }
  auto bytes = parse_number(text);
  if (!bytes) throw Error(cat("max_unpacked_size: not a number of bytes: ", printable(settings.max_unpacked_size)));
  limits.bytes = *bytes;
  return limits;
}

void warn_if_strange(const std::string& root, const std::string& id) {
  for (const char* usual : {"lib", "bin", "etc", "tmp", "var", "usr", "sys", "dev", "data", "home", "system", "root", "proc"})
    if (path_exists(cat(root, "/", usual)) || find_link(cat(root, "/", usual))) return;
  log::warning(cat("check container content: ", id));
}

store::Container create_container(Session& session, const store::ImageName& name, const std::string& container_name) {
  const auto& repository = session.repository();
  const auto& containers = repository.containers();
  if (!container_name.empty()) {
    if (!store::Containers::is_valid_name(container_name)) throw Error("invalid container name or wrong format");
    if (containers.has_name(container_name)) throw Error("container name already exists");
  }
  auto image = repository.images().find(name);
  if (!image && name.text() == kHelloImage) return make_hello(session, container_name);
  if (!image) throw Error(cat("create container: imagerepo is invalid: no local image ", name.text(), suggest_image(session, name.text())));
  return create_container(session, load_image_content(repository, *image), container_name);
}

store::Container create_container(Session& session, const ImageContent& content, const std::string& container_name) {
  archive::ApplyOptions options;
  std::uint64_t stored = 0;
  for (const auto& layer : content.layers) stored += layer.stored;
  options.limits = unpack_limits(session.settings(), stored);
  store::NewContainer fresh = session.repository().containers().make();
  options.owners = fresh.directory() + "/owners";
  try {
    Progress progress(cat("unpacking ", content.image));
    archive::ApplyResult shown;
    options.tick = [&](const archive::ApplyResult& done) {
      fresh.refresh();
      progress.add(done.bytes - shown.bytes, done.entries - shown.entries);
      shown = done;
    };
    auto result = archive::apply_layers(fresh.root(), content.layers, options);
    log::debug("create", cat(result.entries, " entries, ", result.bytes, " bytes, ", result.skipped, " not needed"));
  } catch (Error& error) {
    error.add_context("while extracting image layer");
    throw;
  }
  fresh.set_metadata(content.config);
  fresh.set_image(content.image);
  store::Container container = fresh.commit(container_name);
  warn_if_strange(container.root(), container.id());
  return container;
}

}  // namespace udocker::ops
