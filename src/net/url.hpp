// URLs of http and https. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace udocker::net {

struct Url {
  std::string scheme, host, port, text;  // port is never empty
  std::string origin() const { return scheme + "://" + host + ":" + port; }
};

// Nothing unless it is a well-formed http or https URL without user and password.
std::optional<Url> find_url(std::string_view text);
// `reference` (absolute or relative) seen from `base`; nothing when the result is no http or https URL.
std::optional<Url> resolve_url(const std::string& base, std::string_view reference);
// %XX for everything that is not a letter, digit or -._~
std::string url_escape(std::string_view text);
// For messages: without user, password and query (which may hold a signature), control characters escaped.
std::string shown_url(std::string_view text);
// A proxy address: [scheme://][user:password@]host[:port] with a scheme of http https socks4 socks4a socks5 socks5h.
bool is_proxy_address(std::string_view text);

}  // namespace udocker::net
