#include "net/trust.hpp"

#include "host/blob.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cstdlib>

namespace udocker::net {

namespace {

constexpr std::uint64_t kLargestBundle = 8u << 20;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void append_file(std::string& pem, const std::string& path) {
  try {
    if (auto text = find_file(path, kLargestBundle); text && text->find("BEGIN CERTIFICATE") != std::string::npos) pem += *text + "\n";
  } catch (const Error& error) {
    log::debug("net", error.what());
  }
}

void append_directory(std::string& pem, const std::string& directory) {
  for (const auto& name : list_directory(directory)) {
    std::string path = cat(directory, "/", name);
    if (name != "ca-certificates.crt" && is_regular(path) && pem.size() < kLargestBundle) append_file(pem, path);
  }
}

std::shared_ptr<const Trust> load_default() {
  auto out = std::make_shared<Trust>();
  std::string file = environment("SSL_CERT_FILE"), directories = environment("SSL_CERT_DIR");
  if (!file.empty()) out->certificates = load_file(file, kLargestBundle) + "\n";
  for (const auto& directory : split(directories, ':'))
    if (!directory.empty()) append_directory(out->certificates, directory);
  out->origin = file.empty() ? directories : file;
  if (!file.empty() || !directories.empty()) return out;
  for (const char* path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                           "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem", "/etc/pki/tls/cacert.pem"}) {
    append_file(out->certificates, path);
    out->origin = path;
    if (!out->certificates.empty()) return out;
  }
  out->certificates = host::blob::ca_bundle();
  out->origin = "the list carried in this program";
  return out;
}

}  // namespace

std::shared_ptr<const Trust> default_trust() {
  static const std::shared_ptr<const Trust> trust = load_default();
  return trust;
}

std::shared_ptr<const Trust> trust_for(const std::string& host, const std::vector<std::string>& directories, Verify verify) {
  auto out = std::make_shared<Trust>();
  out->verify = verify;
  if (verify == Verify::yes) {
    out->certificates = default_trust()->certificates;
    out->origin = default_trust()->origin;
  }
  for (const auto& parent : directories) {
    std::string folder = cat(parent, "/", host);
    if (host.empty() || !is_directory(folder)) continue;
    for (const auto& name : list_directory(folder)) {
      std::string path = cat(folder, "/", name);
      if (name.ends_with(".crt")) append_file(out->certificates, path);
      std::string key = cat(folder, "/", name.substr(0, name.size() - std::min<std::size_t>(name.size(), 5)), ".key");
      if (name.ends_with(".cert") && out->client_certificate.empty() && is_regular(key)) {
        out->client_certificate = path;
        out->client_key = key;
      }
    }
    out->origin += cat(" and ", folder);
  }
  return out;
}

std::vector<std::string> certs_d_directories() {
  std::vector<std::string> out;
  std::string config = environment("XDG_CONFIG_HOME"), home = environment("HOME");
  if (config.empty() && !home.empty()) config = home + "/.config";
  if (!config.empty()) out.push_back(config + "/containers/certs.d");
  if (!home.empty()) out.push_back(home + "/.docker/certs.d");
  out.insert(out.end(), {"/etc/containers/certs.d", "/etc/docker/certs.d"});
  return out;
}

}  // namespace udocker::net
