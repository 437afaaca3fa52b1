#include "oci/run_config.hpp"

#include "util/strings.hpp"

namespace udocker::oci {

namespace {

const json::Value& member(const json::Value& metadata, std::string_view name) {
  const json::Value* found = nullptr;
  for (const char* section : {"config", "container_config", ""}) {
    const json::Value& place = *section ? metadata[section] : metadata;
    for (const auto& spelling : {std::string(name), to_lower(name)})
      if (!found && !place[spelling].is_null()) found = &place[spelling];
  }
  static const json::Value null;
  return found ? *found : null;
}

std::vector<std::string> list(const json::Value& value) {
  if (value.is_string()) return split_words(value.as_string());
  std::vector<std::string> out;
  for (const auto& item : value.as_array()) out.push_back(item.as_string());
  return out;
}

}  // namespace

RunConfig parse_run_config(const json::Value& metadata) {
  RunConfig config;
  config.user = trim(member(metadata, "User").as_string());
  config.working_dir = trim(member(metadata, "WorkingDir").as_string());
  config.hostname = member(metadata, "Hostname").as_string();
  config.domainname = member(metadata, "Domainname").as_string();
  config.entrypoint = list(member(metadata, "Entrypoint"));
  config.cmd = list(member(metadata, "Cmd"));
  config.env = list(member(metadata, "Env"));
  for (const auto& [port, unused] : member(metadata, "ExposedPorts").as_object())
    if (auto number = parse_number(port.substr(0, port.find('/'))); number && *number < 65536)
      config.exposed_ports.push_back(static_cast<int>(*number));
  return config;
}

}  // namespace udocker::oci
