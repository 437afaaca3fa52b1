// Authorization at registries: Basic, and bearer tokens with a cache (token specification of the distribution project).
#pragma once
#include "net/client.hpp"
#include "registry/credentials.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace udocker::registry {

// Answers the challenges of one registry. Several threads may use it: one fetches a token, the others wait for it.
class Authenticator {
 public:
  // `account` is called at most once, when the registry first asks; `trust` is the registry's, used for token servers
  // on the same host.
  Authenticator(const net::Client& client, std::string registry_url, std::shared_ptr<const net::Trust> trust, std::function<Credentials()> account);

  // What to send with a request in this scope ("repository:a/b:pull"): empty before the first challenge.
  // A token about to expire is replaced first.
  Secret authorization(const std::string& scope);
  // After a 401 to a request sent with `used`: true when another authorization is there to be tried. Throws
  // NetworkError when the token server refuses or cannot be reached.
  bool answer(const std::string& scope, const net::Headers& headers, const Secret& used);
  // Name of the account in use, for messages; "" when anonymous.
  std::string user();

 private:
  struct Entry {
    Secret value;  // of the Authorization field
    net::Challenge challenge;
    std::chrono::steady_clock::time_point refresh_at;
    bool expires = false;
  };
  const Credentials& account();
  Entry bearer(const net::Challenge& challenge, const std::string& scope);
  net::Response ask_token(const net::Challenge& challenge, const std::string& scope);

  const net::Client& client_;
  std::string registry_url_;
  std::shared_ptr<const net::Trust> trust_;
  std::function<Credentials()> find_account_;
  std::mutex mutex_;
  std::optional<Credentials> account_;
  std::map<std::string, Entry> entries_;  // by scope
};

}  // namespace udocker::registry
