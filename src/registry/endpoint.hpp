// Where a repository can be had: its registry, mirrors before it. Plain values, made from names, settings and registries.conf.
#pragma once
#include "net/trust.hpp"
#include "oci/reference.hpp"

#include <string>
#include <vector>

namespace udocker::registry {

struct Endpoint {
  std::string url;         // "https://host[:port][/prefix]", no slash at the end
  std::string repository;  // path below /v2/
  net::Verify verify = net::Verify::yes;
  bool may_use_http = false;  // https is tried first, then http: a loopback address or an insecure registry
  bool is_mirror = false;
  bool for_tags = true, for_digests = true;  // what a mirror may be asked for
};

struct EndpointOptions {
  std::string registry;         // --registry: a URL or host, instead of the one in the name
  std::string docker_hub_url = "https://registry-1.docker.io";
  bool insecure = false;        // --insecure
};

// 127.x.y.z, [::1], localhost: plain http is tried there when nothing speaks TLS.
bool is_loopback(const std::string& host);

// Endpoints in the order to try; never empty. Throws Error when registries.conf blocks the place, UsageError when
// --registry is no address.
std::vector<Endpoint> plan_endpoints(const oci::RemoteName& name, const EndpointOptions& options);

}  // namespace udocker::registry
