#include "registry/auth.hpp"

#include "registry/errors.hpp"
#include "registry/retry.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>

namespace udocker::registry {

using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr std::int64_t kDefaultLife = 60;  // seconds, when the token server says nothing

Secret basic(const std::string& user, const Secret& password) {
  return Secret("Basic " + base64_encode(cat(user, ":", password.reveal())));
}

// A bearer challenge with a realm is preferred to Basic; null when there is neither.
const net::Challenge* choose(const std::vector<net::Challenge>& challenges) {
  const net::Challenge* found = nullptr;
  for (const auto& challenge : challenges) {
    if (challenge.scheme == "bearer" && challenge.parameters.contains("realm")) return &challenge;
    if (challenge.scheme == "basic" && !found) found = &challenge;
  }
  return found;
}

std::string parameter(const net::Challenge& challenge, const std::string& name) {
  auto found = challenge.parameters.find(name);
  return found == challenge.parameters.end() ? "" : found->second;
}

// What may stand in a header field.
bool is_plain(const std::string& token) {
  return std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
}

}  // namespace

Authenticator::Authenticator(const net::Client& client, std::string registry_url, std::shared_ptr<const net::Trust> trust,
                             std::function<Credentials()> account)
    : client_(client), registry_url_(std::move(registry_url)), trust_(std::move(trust)), find_account_(std::move(account)) {}

const Credentials& Authenticator::account() {
  if (!account_) {
    account_ = find_account_ ? find_account_() : Credentials();
    if (!account_->empty()) log::debug("registry", cat("account of ", registry_url_, ": ", account_->user, " from ", account_->source));
  }
  return *account_;
}

std::string Authenticator::user() {
  std::lock_guard lock(mutex_);
  return account_ ? account_->user : "";
}

Secret Authenticator::authorization(const std::string& scope) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(scope);
  if (found == entries_.end()) return {};
  Entry& entry = found->second;
  if (entry.expires && steady_clock::now() >= entry.refresh_at) entry = bearer(entry.challenge, scope);
  return entry.value;
}

bool Authenticator::answer(const std::string& scope, const net::Headers& headers, const Secret& used) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(scope);
  if (found != entries_.end() && found->second.value != used) return true;  // another thread was faster
  std::vector<net::Challenge> challenges;
  for (const auto& value : headers.all("www-authenticate"))
    for (auto& challenge : net::parse_challenges(value)) challenges.push_back(std::move(challenge));
  const net::Challenge* challenge = choose(challenges);
  if (!challenge) return false;
  if (challenge->scheme == "basic") {
    const Credentials& who = account();
    if (who.user.empty()) return false;
    Entry entry{basic(who.user, who.password), *challenge, {}, false};
    if (entry.value == used) return false;
    entries_[scope] = std::move(entry);
    return true;
  }
  if (parameter(*challenge, "error") == "insufficient_scope" && !used.empty()) return false;
  Entry entry = bearer(*challenge, scope);
  bool fresh = entry.value != used;
  entries_[scope] = std::move(entry);
  return fresh;
}

net::Response Authenticator::ask_token(const net::Challenge& challenge, const std::string& scope) {
  std::string realm = parameter(challenge, "realm"), service = parameter(challenge, "service"), asked = parameter(challenge, "scope");
  auto url = net::resolve_url(registry_url_ + "/", realm);
  auto home = net::find_url(registry_url_);
  if (!url || !home) throw NetworkError(cat("the registry names a token server with an unusable address: ", net::shown_url(realm)));
  const Credentials& who = account();
  bool same_host = url->host == home->host;
  bool may_send = url->scheme == "https" || same_host;
  if (!may_send && !who.empty())
    log::warning(cat("account not sent to the token server ", net::shown_url(url->text), ": another host, and no TLS"));
  std::vector<std::string> scopes = split_words(asked.empty() ? scope : asked);

  net::Request request;
  if (same_host || trust_->verify == net::Verify::no) request.trust = trust_;
  request.limit = 1u << 20;
  if (may_send && !who.identity_token.empty()) {
    request.url = url->text;
    request.method = "POST";
    request.headers = {"Content-Type: application/x-www-form-urlencoded"};
    request.body = cat("grant_type=refresh_token&client_id=udocker&service=", net::url_escape(service),
                       "&refresh_token=", net::url_escape(who.identity_token.reveal()), "&scope=", net::url_escape(join(scopes, " ")));
    net::Response response = send_patiently(client_, request);
    if (response.status != 404 && response.status != 405) return response;
    request.method = "GET";
    request.headers.clear();
    request.body.clear();
  }
  std::string query;
  if (!service.empty()) query += cat("&service=", net::url_escape(service));
  for (const auto& one : scopes) query += cat("&scope=", net::url_escape(one));
  query += "&client_id=udocker";
  if (may_send && !who.user.empty()) {
    query += cat("&account=", net::url_escape(who.user));
    request.authorization = basic(who.user, who.password);
  } else if (may_send && !who.identity_token.empty()) {
    request.authorization = basic("<token>", who.identity_token);
  }
  request.url = cat(url->text, url->text.find('?') == std::string::npos ? "?" : "&", query.substr(1));
  return send_patiently(client_, request);
}

Authenticator::Entry Authenticator::bearer(const net::Challenge& challenge, const std::string& scope) {
  Entry entry;
  entry.challenge = challenge;
  if (!account().registry_token.empty()) {
    entry.value = Secret("Bearer " + account().registry_token.reveal());
    return entry;
  }
  net::Response response = ask_token(challenge, scope);
  if (!response.ok()) {
    bool refused = response.status == 400 || response.status == 401 || response.status == 403;
    if (refused && !account().empty())
      throw failure(response, cat("login as ", printable(account().user), " (from ", account().source, ") refused by ", net::shown_url(response.url)));
    throw failure(response, "cannot get a token");
  }
  json::Value reply = json::parse(response.body, net::shown_url(response.url));
  std::string token = reply["token"].as_string();
  if (token.empty()) token = reply["access_token"].as_string();
  if (token.empty() || !is_plain(token)) throw NetworkError(cat("no token in the reply of ", net::shown_url(response.url)));
  entry.value = Secret("Bearer " + token);
  std::int64_t life = std::clamp<std::int64_t>(reply["expires_in"].as_integer(kDefaultLife), 1, 86400);
  entry.refresh_at = steady_clock::now() + seconds(life) - std::min(seconds(10), seconds(life) / 5);
  entry.expires = true;
  return entry;
}

}  // namespace udocker::registry
