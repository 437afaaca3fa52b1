// What a registry's refusal means, in a sentence.
#pragma once
#include "net/client.hpp"
#include "util/error.hpp"

#include <string>
#include <string_view>

namespace udocker::registry {

// First entry of the reply's `errors`: "MANIFEST_UNKNOWN: manifest unknown"; "" when there is none.
std::string registry_text(const net::Response& response);
// "WHAT: reason", the reason taken from the fault, the status, the registry's text and rate limits.
NetworkError failure(const net::Response& response, std::string_view what);

}  // namespace udocker::registry
