// Listings of images and containers: lines for people and scripts (compatibility spec 1.10), JSON when asked.
#pragma once
#include "util/json.hpp"

#include <string>
#include <vector>

namespace udocker::ops {

class Session;

enum class ImageDetail { name, platform, files };
std::vector<std::string> image_lines(Session& session, ImageDetail detail);
json::Value images_json(Session& session);

struct ContainerColumns {
  bool mode = false, size = false, platform = false;
};
std::vector<std::string> container_lines(Session& session, const ContainerColumns& columns);
json::Value containers_json(Session& session, const ContainerColumns& columns);

}  // namespace udocker::ops
