#include "registry/credentials.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::registry {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string_view without_scheme(std::string_view registry) {
  auto scheme = registry.find("://");
  return scheme == std::string_view::npos ? registry : registry.substr(scheme + 3);
}

// "user:password" in base64; a password may hold colons. Docker pads some with NUL.
Credentials decode_auth(const std::string& auth) {
  Credentials out;
  auto text = base64_decode(auth);
  auto colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return out;
  out.user = text->substr(0, colon);
  std::string password = text->substr(colon + 1);
  while (!password.empty() && password.back() == '\0') password.pop_back();
  out.password = Secret(std::move(password));
  return out;
}

Credentials run_helper(const std::string& suffix, const std::string& server) {
  std::string program = "docker-credential-" + suffix;
  Credentials out;
  if (suffix.empty() || suffix.find('/') != std::string::npos) return out;
  try {
    Captured reply = run_captured({program, "get"}, server);
    if (reply.status != 0) {
      bool absent = reply.output.find("credentials not found") != std::string::npos;
      if (!absent) log::warning(cat(program, " failed with status ", reply.status, " for ", server));
      return out;
    }
    json::Value value = json::parse(reply.output, program);
    out.user = value["Username"].as_string();
    (out.user == "<token>" ? out.identity_token : out.password) = Secret(value["Secret"].as_string());
    if (out.user == "<token>") out.user.clear();
    out.source = program;
  } catch (const SystemError& error) {
    log::warning(cat("credential helper ", program, " cannot be run: ", error.what()));
  } catch (const IntegrityError&) {  // its text may quote the reply
    log::warning(cat(program, " answered with something that is not JSON"));
  }
  return out;
}

// Spellings under which `host` may be filed with helpers and in configuration files.
std::vector<std::string> server_names(const std::string& host) {
  if (host == "docker.io") return {"https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"};
  return {host, "https://" + host};
}

// How well a key of `auths` fits: 0 not at all, else longer is better.
std::size_t fit(std::string_view key, const std::string& host, const std::string& repository) {
  bool url = key.find("://") != std::string_view::npos;
  std::string_view rest = without_scheme(key);
  auto slash = rest.find('/');
  if (account_host(rest.substr(0, slash)) != host) return 0;
  std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (url || path.empty() || path == "v1/" || path == "v2/") return 1;  // old keys are whole addresses
  while (path.ends_with('/')) path.remove_suffix(1);
  return starts_with_word(repository, path) ? 1 + path.size() : 0;
}

}  // namespace

std::string account_host(std::string_view registry) {
  std::string_view rest = without_scheme(registry);
  std::string host = to_lower(rest.substr(0, rest.find('/')));
  if (host == "index.docker.io" || host == "registry-1.docker.io" || host == "registry.hub.docker.com" || host == "hub.docker.com") return "docker.io";
  return host;
}

json::Value Keystore::load() const {
  struct stat file, folder;
  if (::stat(path_.c_str(), &file) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return json::Object{};
    throw_errno("read keystore", path_);
  }
  std::string directory = path_dirname(path_);
  if (::stat(directory.c_str(), &folder) != 0) throw_errno("read", directory);
  if (file.st_uid != ::geteuid() || folder.st_uid != ::geteuid())
    throw Error(cat("keystore ", path_, " or its folder belongs to somebody else"));
  if (file.st_mode & 077) throw Error(cat("keystore ", path_, " can be read by others; run: chmod 600 ", path_));
  std::string text = load_file(path_);
  if (trim(text).empty()) return json::Object{};
  try {
    return json::parse(text, path_);
  } catch (const IntegrityError&) {  // the parser's sentence may quote the content
    throw Error(cat("keystore ", path_, " is not valid JSON"));
  }
}

void Keystore::save(const json::Value& entries) const {
  make_directories(path_dirname(path_));
  // The old content is overwritten before its file is given up, as the Python tool does.
  if (UniqueFd old{::open(path_.c_str(), O_WRONLY | O_CLOEXEC)}) {
    struct stat st;
    if (::fstat(old.get(), &st) == 0 && S_ISREG(st.st_mode)) {
      AtomicFile file(path_, 0600);
      file.write(json::to_line(entries));
      file.commit();
      write_all(old.get(), std::string(static_cast<std::size_t>(st.st_size), ' '), path_);
      return;
    }
  }
  make_file(path_, json::to_line(entries), 0600);
}

Credentials Keystore::find(const std::string& registry_url) const {
  json::Value entries = load();
  const json::Value* entry = &entries[registry_url];
  if (entry->is_null()) entry = &entries[without_scheme(registry_url)];
  if (entry->is_null())
    for (const auto& [key, value] : entries.as_object())
      if (account_host(key) == account_host(registry_url)) entry = &value;
  Credentials out = decode_auth((*entry)["auth"].as_string());
  out.source = path_;
  return out;
}

void Keystore::store(const std::string& registry_url, const std::string& user, const Secret& password) const {
  json::Value entries = load();
  json::Object entry;
  entry["auth"] = base64_encode(cat(user, ":", password.reveal()));
  entry["email"] = "";
  entries.at(registry_url) = std::move(entry);
  save(entries);
}

bool Keystore::erase(const std::string& registry_url) const {
  json::Value entries = load();
  auto& object = entries.object();
  bool erased = object.erase(registry_url) > 0 || object.erase(std::string(without_scheme(registry_url))) > 0;
  if (!erased) erased = std::erase_if(object, [&](const auto& item) { return account_host(item.first) == account_host(registry_url); }) > 0;
  if (erased) save(entries);
  return erased;
}

bool Keystore::erase_all() const {
  if (!path_exists(path_)) return false;
  save(json::Object{});
  remove_file(path_);
  return true;
}

Credentials find_in_config(const json::Value& config, const std::string& host, const std::string& repository, const std::string& source) {
  for (const auto& [key, suffix] : config["credHelpers"].as_object())
    if (account_host(key) == host)
      if (auto found = run_helper(suffix.as_string(), server_names(host)[0]); !found.empty()) return found;
  const auto& auths = config["auths"].as_object();
  const json::Value* best = nullptr;
  std::size_t best_fit = 0;
  for (const auto& [key, value] : auths)
    if (std::size_t quality = fit(key, host, repository); quality > best_fit) {
      best_fit = quality;
      best = &value;
    }
  Credentials out;
  if (best) {
    out = decode_auth((*best)["auth"].as_string());
    if (out.user.empty() && (*best)["username"].is_string()) {
      out.user = (*best)["username"].as_string();
      out.password = Secret((*best)["password"].as_string());
    }
    out.identity_token = Secret((*best)["identitytoken"].as_string());
    out.registry_token = Secret((*best)["registrytoken"].as_string());
    out.source = source;
  }
  if (out.empty() && config["credsStore"].is_string()) {
    for (const auto& server : server_names(host))
      if (auto found = run_helper(config["credsStore"].as_string(), server); !found.empty()) return found;
  }
  return out;
}

Credentials find_credentials(const std::string& keystore_path, const std::string& registry_url, const std::string& repository) {
  try {
    if (auto found = Keystore(keystore_path).find(registry_url); !found.user.empty()) return found;
  } catch (const Error& error) {
    log::warning(error.what());
  }
  std::string host = account_host(registry_url);
  auto look = [&](const std::string& text, const std::string& source, bool bare) -> Credentials {
    try {
      json::Value config = json::parse(text, source);
      if (bare) {
        json::Value wrapped;
        wrapped.at("auths") = config;
        config = wrapped;
      }
      return find_in_config(config, host, repository, source);
    } catch (const IntegrityError&) {
      log::warning(cat("not valid JSON, not used: ", source));
      return {};
    }
  };
  if (std::string text = environment("DOCKER_AUTH_CONFIG"); !text.empty())
    if (auto found = look(text, "DOCKER_AUTH_CONFIG", false); !found.empty()) return found;
  std::string home = environment("HOME"), runtime = environment("XDG_RUNTIME_DIR"), config = environment("XDG_CONFIG_HOME");
  std::string docker = environment("DOCKER_CONFIG");
  std::vector<std::string> files = {environment("REGISTRY_AUTH_FILE")};
  if (!runtime.empty()) files.push_back(runtime + "/containers/auth.json");
  if (!config.empty() || !home.empty()) files.push_back((config.empty() ? home + "/.config" : config) + "/containers/auth.json");
  if (!docker.empty() || !home.empty()) files.push_back((docker.empty() ? home + "/.docker" : docker) + "/config.json");
  if (!home.empty()) files.push_back(home + "/.dockercfg");
  for (const auto& file : files) {
    if (file.empty()) continue;
    try {
      auto text = find_file(file);
      if (!text) continue;
      if (auto found = look(*text, file, file.ends_with(".dockercfg")); !found.empty()) return found;
    } catch (const Error& error) {
      log::warning(error.what());
    }
  }
  return {};
}

}  // namespace udocker::registry
