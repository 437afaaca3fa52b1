#include "registry/policy.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cstdlib>

namespace udocker::registry {

bool is_rejected(const json::Value& policy, std::string_view name) {
  const auto& scopes = policy["transports"]["docker"].as_object();
  auto rejects = [](const json::Value& requirements) {
    for (const auto& requirement : requirements.as_array())
      if (requirement["type"].as_string() == "reject") return true;
    return false;
  };
  std::string_view scope = name;
  for (;;) {
    if (auto found = scopes.find(std::string(scope)); found != scopes.end()) return rejects(found->second);
    auto slash = scope.rfind('/');
    if (slash == std::string_view::npos) break;
    scope = scope.substr(0, slash);
  }
  for (auto dot = scope.find('.'); dot != std::string_view::npos; dot = scope.find('.', dot + 1))
    if (auto found = scopes.find(cat("*", scope.substr(dot))); found != scopes.end()) return rejects(found->second);
  if (auto found = scopes.find(""); found != scopes.end()) return rejects(found->second);
  return rejects(policy["default"]);
}

std::string rejected_by_policy(std::string_view name) {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  std::string user = config && *config ? config : home ? cat(home, "/.config") : "";
  for (const auto& folder : {user, std::string("/etc")}) {
    std::string path = folder + "/containers/policy.json";
    if (folder.empty()) continue;
    try {
      auto text = find_file(path);
      if (!text) continue;
      return is_rejected(json::parse(*text, path), name) ? path : "";
    } catch (const Error& error) {
      log::warning(cat(error.what(), " (file not used)"));
    }
  }
  return {};
}

}  // namespace udocker::registry
