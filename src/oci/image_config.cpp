#include "oci/image_config.hpp"

#include "oci/digest.hpp"

namespace udocker::oci {

std::vector<std::string> diff_ids(const json::Value& config) {
  std::vector<std::string> ids;
  for (const auto& id : config["rootfs"]["diff_ids"].as_array()) {
    if (!find_digest(id.as_string())) return {};
    ids.push_back(id.as_string());
  }
  return ids;
}

json::Value minimal_image_config(const std::string& architecture, const std::string& os, const std::vector<std::string>& command,
                                 const std::vector<std::string>& environment) {
  auto list = [](const std::vector<std::string>& texts) {
    json::Array array;
    for (const auto& text : texts) array.push_back(text);
    return array;
  };
  json::Value config;
  config.at("architecture") = architecture;
  config.at("os") = os;
  config.at("config") = json::Object{{"Cmd", list(command)}, {"Env", list(environment)}, {"WorkingDir", "/"}};
  config.at("rootfs") = json::Object{{"type", "layers"}, {"diff_ids", json::Array{}}};
  return config;
}

}  // namespace udocker::oci
