#include "net/resolver.hpp"

#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace udocker::net {

namespace {

bool is_address(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

// Connecting a datagram socket sends nothing: the kernel only looks for a route.
bool has_route(const std::string& server) {
  std::string address = server.substr(0, server.find('%'));
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(53);
  bool is_v6 = address.find(':') != address.npos;
  if (::inet_pton(is_v6 ? AF_INET6 : AF_INET, address.c_str(), is_v6 ? static_cast<void*>(&v6.sin6_addr) : static_cast<void*>(&v4.sin_addr)) != 1)
    return true;  // not understood: the C library shall judge
  UniqueFd fd(::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno != EAFNOSUPPORT;
  const auto* to = is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  if (::connect(fd.get(), to, is_v6 ? sizeof v6 : sizeof v4) == 0) return true;
  return errno != ENETUNREACH && errno != EHOSTUNREACH && errno != EADDRNOTAVAIL;
}

}  // namespace

std::vector<std::string> name_servers(std::string_view resolv_conf) {
  std::vector<std::string> servers;
  for (const auto& line : split(resolv_conf, '\n')) {
    auto words = split_words(line);
    if (words.size() > 1 && words[0] == "nameserver") servers.push_back(words[1]);
  }
  if (servers.empty()) servers.push_back("127.0.0.1");
  return servers;
}

bool hosts_has(std::string_view hosts, std::string_view name) {
  for (const auto& line : split(hosts, '\n')) {
    auto words = split_words(std::string_view(line).substr(0, line.find('#')));
    for (std::size_t i = 1; i < words.size(); ++i)
      if (to_lower(words[i]) == to_lower(name)) return true;
  }
  return false;
}

bool is_unresolvable(const std::string& host) {
  std::string name = host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
  if (name.empty() || is_address(name) || name == "localhost" || name.ends_with(".localhost")) return false;
  if (hosts_has(find_file("/etc/hosts").value_or(""), name)) return false;
  for (const auto& server : name_servers(find_file("/etc/resolv.conf").value_or("")))
    if (has_route(server)) return false;
  return true;
}

}  // namespace udocker::net
