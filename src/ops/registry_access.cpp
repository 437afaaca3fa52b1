#include "ops/registry_access.hpp"

#include "registry/credentials.hpp"
#include "registry/endpoint.hpp"
#include "registry/registries_conf.hpp"

namespace udocker::ops {

namespace {

registry::EndpointOptions endpoint_options(const config::Settings& settings, const RegistryOptions& options) {
  registry::EndpointOptions out;
  out.registry = options.registry;
  if (!settings.dockerio_registry_url.empty()) out.docker_hub_url = settings.dockerio_registry_url;
  out.insecure = settings.http_insecure;
  return out;
}

}  // namespace

registry::Remote::Accounts accounts_of(const config::Settings& settings) {
  return [keystore = config::keystore_path(settings)](const std::string& url, const std::string& repository) {
    return registry::find_credentials(keystore, url, repository);
  };
}

net::Options network_options(const config::Settings& settings, const RegistryOptions& options) {
  net::Options out;
  out.proxy = options.http_proxy.empty() ? settings.http_proxy : options.http_proxy;
  out.agent = settings.http_agent;
  out.connect_timeout = std::chrono::seconds(settings.ctimeout);
  out.timeout = std::chrono::seconds(settings.timeout);
  out.download_timeout = std::chrono::seconds(settings.download_timeout);
  out.stall_timeout = std::chrono::seconds(std::max(settings.timeout, 1));
  return out;
}

oci::Platform wanted_platform(const RegistryOptions& options) {
  return options.platform.empty() ? oci::host_platform() : oci::parse_platform(options.platform);
}

// A bare name that the user's registries.conf has an alias for.
static oci::ImageRef unaliased(oci::ImageRef ref) {
  std::string alias = oci::registry_part(ref.repository).empty() ? registry::system_registries().alias(ref.repository) : "";
  if (!alias.empty()) ref.repository = alias;
  return ref;
}

RegistryAccess::RegistryAccess(const config::Settings& settings, const oci::ImageRef& ref, const RegistryOptions& options)
    : name_(oci::remote_name(unaliased(ref))),
      client_(network_options(settings, options)),
      remote_(client_, registry::plan_endpoints(name_, endpoint_options(settings, options)), accounts_of(settings), ref.text()) {}

}  // namespace udocker::ops
