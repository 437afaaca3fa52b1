// Is it of any use to ask a name server? C libraries wait for answers of servers that no route leads to.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace udocker::net {

// True for names that surely have no address here: no IP address, not in /etc/hosts, and no name server has a route.
bool is_unresolvable(const std::string& host);

// Addresses of the nameserver lines of a resolv.conf; 127.0.0.1 when there are none. Pure.
std::vector<std::string> name_servers(std::string_view resolv_conf);
// Does a hosts file have the name? Pure.
bool hosts_has(std::string_view hosts, std::string_view name);

}  // namespace udocker::net
