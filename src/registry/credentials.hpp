// Accounts at registries: the tool's own keystore, and what Docker and the containers tools have stored.
#pragma once
#include "util/json.hpp"
#include "util/secret.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::registry {

struct Credentials {
  std::string user;
  Secret password;
  Secret identity_token;  // a refresh token: exchanged by POST at the token server
  Secret registry_token;  // a bearer token to be used as it is
  std::string source;     // file or helper, for messages
  bool empty() const { return user.empty() && password.empty() && identity_token.empty() && registry_token.empty(); }
};

// Host by which accounts are kept: scheme and path stripped; Docker Hub's names all become docker.io.
std::string account_host(std::string_view registry);

// The keystore of compatibility spec 2.6: registry URL -> {"auth": base64(user:password), "email": ""}, mode 0600.
// A file that others can read, or that belongs to somebody else, is refused with Error.
class Keystore {
 public:
  explicit Keystore(std::string path) : path_(std::move(path)) {}
  Credentials find(const std::string& registry_url) const;
  void store(const std::string& registry_url, const std::string& user, const Secret& password) const;
  bool erase(const std::string& registry_url) const;  // false when there was none
  bool erase_all() const;                             // false when there was no file

 private:
  json::Value load() const;
  void save(const json::Value& entries) const;
  std::string path_;
};

// The account in one Docker or containers configuration document for `host` (account_host) and repository: a helper
// first, then the longest key that is the host or host/part/of/the/repository. Helpers are run; one that is missing
// is a warning.
Credentials find_in_config(const json::Value& config, const std::string& host, const std::string& repository, const std::string& source);

// Everything there is, in this order: keystore, DOCKER_AUTH_CONFIG, REGISTRY_AUTH_FILE,
// $XDG_RUNTIME_DIR/containers/auth.json, $XDG_CONFIG_HOME/containers/auth.json, Docker's config.json, ~/.dockercfg.
// Files that cannot be used are warnings. Empty when nobody has an account.
Credentials find_credentials(const std::string& keystore_path, const std::string& registry_url, const std::string& repository);

}  // namespace udocker::registry
