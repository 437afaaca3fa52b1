// containers-policy.json: places that the host's administrator or the user forbids to pull from.
// Signatures that it may demand are not checked: only `reject` is honoured.
#pragma once
#include "util/json.hpp"

#include <string>
#include <string_view>

namespace udocker::registry {

// Does the policy reject "host/path" for the transport docker? The most exact scope decides: host/path, its parents,
// host, *.parent-domain, "" of the transport, then the default. Pure.
bool is_rejected(const json::Value& policy, std::string_view name);

// Path of the policy file in force when it rejects the name; "" otherwise. A file that cannot be used is a warning.
std::string rejected_by_policy(std::string_view name);

}  // namespace udocker::registry
