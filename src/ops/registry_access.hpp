// From a command's settings and options to a repository at its registry.
#pragma once
#include "config/settings.hpp"
#include "net/client.hpp"
#include "oci/platform.hpp"
#include "oci/reference.hpp"
#include "registry/remote.hpp"

#include <string>

namespace udocker::ops {

// Options that pull, run, search and manifest share.
struct RegistryOptions {
  std::string index, registry;  // --index, --registry
  std::string http_proxy;       // --httpproxy; "" is the setting
  std::string platform;         // --platform; "" is this machine's
};

net::Options network_options(const config::Settings& settings, const RegistryOptions& options);

// Looks accounts up when a registry asks for one.
registry::Remote::Accounts accounts_of(const config::Settings& settings);

// The platform asked for, or this machine's. Throws UsageError.
oci::Platform wanted_platform(const RegistryOptions& options);

// The image's repository. Nothing is sent before the first request to it.
class RegistryAccess {
 public:
  RegistryAccess(const config::Settings& settings, const oci::ImageRef& ref, const RegistryOptions& options);
  registry::Remote& remote() { return remote_; }
  const net::Client& client() const { return client_; }
  const std::string& reference() const { return name_.reference; }

 private:
  oci::RemoteName name_;
  net::Client client_;
  registry::Remote remote_;
};

}  // namespace udocker::ops
