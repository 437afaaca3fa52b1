// Reads a seccomp profile: the runtime specification's form, and Docker's with archMap, includes and excludes.
#pragma once
#include "host/seccomp.hpp"
#include "util/json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace udocker::oci {

// `capabilities` (CAP_…) and `architecture` (GOARCH name) decide Docker's conditional rules.
host::SeccompProfile parse_seccomp(const json::Value& value, const std::vector<std::string>& capabilities,
                                   std::string_view architecture, std::string_view kernel_release);

}  // namespace udocker::oci
