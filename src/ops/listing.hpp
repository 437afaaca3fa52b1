// Listings of images and containers: lines for people and scripts (compatibility spec 1.10), JSON or a template's rows
// when asked.
#pragma once
#include "cli/row_format.hpp"
#include "util/json.hpp"

#include <span>
#include <string>
#include <vector>

namespace udocker::ops {

class Session;

enum class Ids { shortened, whole };

enum class ImageDetail { name, platform, files };
std::vector<std::string> image_lines(Session& session, ImageDetail detail);
json::Value images_json(Session& session);
std::span<const cli::Field> image_fields();  // what --format may name
std::vector<std::string> format_images(Session& session, const std::string& format, Ids ids);

struct ContainerColumns {
  bool mode = false, size = false, platform = false;
};
std::vector<std::string> container_lines(Session& session, const ContainerColumns& columns);
json::Value containers_json(Session& session, const ContainerColumns& columns);
std::span<const cli::Field> container_fields();
std::vector<std::string> format_containers(Session& session, const std::string& format);

}  // namespace udocker::ops
