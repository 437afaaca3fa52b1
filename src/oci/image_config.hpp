// The configuration document of an image (OCI image-spec config.md). Pure; what runs need of it is in run_config.hpp.
#pragma once
#include "util/json.hpp"

#include <string>
#include <vector>

namespace udocker::oci {

// rootfs.diff_ids, lowest layer first; empty when there are none or one of them is no digest.
std::vector<std::string> diff_ids(const json::Value& config);

// A configuration for something that brings none, with `architecture` and `os` as Docker spells them.
json::Value minimal_image_config(const std::string& architecture, const std::string& os, const std::vector<std::string>& command,
                                 const std::vector<std::string>& environment);

}  // namespace udocker::oci
