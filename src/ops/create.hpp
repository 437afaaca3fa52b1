// The use case `create`: a container from a local image.
#pragma once
#include "archive/extract.hpp"
#include "ops/session.hpp"
#include "store/repository.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace udocker::ops {

// Throws Error "create container: imagerepo is invalid" when there is no such image, "container name already exists"
// before any work; whatever fails, nothing is left. An empty `name` gives the container no name.
store::Container create_container(Session& session, const store::ImageName& image, const std::string& name);

// What a container is made of, wherever its layers lie.
struct ImageContent {
  std::string image;  // its name, kept with the container
  json::Value config;
  std::vector<archive::Layer> layers;  // lowest first
};
// What a local image says; the layers are open from now on. Throws IntegrityError when the image is not whole.
ImageContent load_image_content(const store::Repository& repository, const store::Image& image);
// The same from layers at hand. Throws Error "container name already exists" at the end when the name is taken then.
store::Container create_container(Session& session, const ImageContent& content, const std::string& name);

// What the settings allow to be unpacked from so many stored bytes (nothing: not known). Without a setting that is a
// hundred times as much, at least 8 GiB: more than any honest image.
archive::Limits unpack_limits(const config::Settings& settings, std::optional<std::uint64_t> stored);
// Warns when nothing in ROOT looks like a system's root directory.
void warn_if_strange(const std::string& root, const std::string& id);

}  // namespace udocker::ops
