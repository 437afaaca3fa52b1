// What an image's configuration says about running it (OCI image-spec config.md; compatibility spec 6.2).
#pragma once
#include "util/json.hpp"

#include <string>
#include <vector>

namespace udocker::oci {

struct RunConfig {
  std::string user, working_dir, hostname, domainname;
  std::vector<std::string> entrypoint, cmd, env;
  std::vector<int> exposed_ports;
};

// Members come from `config`, else `container_config`, else the top level; spellings in lower case count too, null
// is absent, and a text where a list belongs is split at blanks.
RunConfig parse_run_config(const json::Value& metadata);

}  // namespace udocker::oci
