#include "registry/endpoint.hpp"

#include "net/url.hpp"
#include "registry/policy.hpp"
#include "registry/registries_conf.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker::registry {

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.starts_with("127.") || host == "[::1]" || host.ends_with(".localhost");
}

namespace {

// "host[:port][/prefix]" or a URL, as the text of a URL without slash at the end.
Endpoint endpoint_at(std::string_view place, std::string repository, bool insecure) {
  Endpoint out;
  bool scheme = place.find("://") != std::string_view::npos;
  auto url = net::find_url(scheme ? std::string(place) : cat("https://", place));
  if (!url) throw UsageError(cat("not the address of a registry: ", net::shown_url(place)));
  out.url = url->text;
  while (out.url.ends_with('/')) out.url.pop_back();
  for (std::string_view tail : {"/v2", "/v1"})
    if (out.url.ends_with(tail)) out.url.erase(out.url.size() - tail.size());
  out.repository = std::move(repository);
  out.verify = insecure ? net::Verify::no : net::Verify::yes;
  out.may_use_http = !scheme && (insecure || is_loopback(url->host));
  return out;
}

// A location of registries.conf with a path: the path's rest belongs to the repository.
Endpoint endpoint_of_location(const std::string& location, bool insecure) {
  auto slash = location.find('/');
  return endpoint_at(location.substr(0, slash), slash == std::string::npos ? "" : location.substr(slash + 1), insecure);
}

}  // namespace

std::vector<Endpoint> plan_endpoints(const oci::RemoteName& name, const EndpointOptions& options) {
  if (!options.registry.empty()) return {endpoint_at(options.registry, name.repository, options.insecure)};
  std::vector<Endpoint> out;
  std::string whole = cat(name.registry, "/", name.repository);
  if (std::string where = rejected_by_policy(whole); !where.empty()) throw Error(cat(where, " forbids pulling ", whole));
  const Rule* rule = system_registries().find(whole);
  if (rule && rule->blocked) throw Error(cat("registries.conf blocks ", whole, " (", rule->source, ")"));
  auto rest_after = [&](const std::string& location) {
    return rule->prefix.starts_with("*.") ? cat(location, whole.substr(whole.find('/'))) : cat(location, whole.substr(rule->prefix.size()));
  };
  if (rule) {
    for (const auto& mirror : rule->mirrors) {
      Endpoint endpoint = endpoint_of_location(rest_after(mirror.location), mirror.insecure || options.insecure);
      endpoint.is_mirror = true;
      endpoint.for_tags = mirror.pull != PullFrom::digest_only;
      endpoint.for_digests = mirror.pull != PullFrom::tag_only;
      out.push_back(std::move(endpoint));
    }
  }
  bool insecure = options.insecure || (rule && rule->insecure);
  if (rule && !rule->location.empty() && rule->location != rule->prefix) {
    out.push_back(endpoint_of_location(rest_after(rule->location), insecure));
  } else if (name.is_docker_hub()) {
    out.push_back(endpoint_at(options.docker_hub_url, name.repository, insecure));
  } else {
    out.push_back(endpoint_at(name.registry, name.repository, insecure));
  }
  return out;
}

}  // namespace udocker::registry
