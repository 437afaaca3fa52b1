#include "net/url.hpp"

#include "util/strings.hpp"

#include <memory>

#include <curl/curl.h>

namespace udocker::net {

namespace {

struct Free {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, Free>;

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(url, which, &text, flags) != CURLUE_OK || !text) return {};
  std::string out(text);
  ::curl_free(text);
  return out;
}

std::optional<Url> describe(CURLU* url) {
  Url out{part(url, CURLUPART_SCHEME), part(url, CURLUPART_HOST), part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT), part(url, CURLUPART_URL)};
  if ((out.scheme != "http" && out.scheme != "https") || out.host.empty() || !part(url, CURLUPART_USER).empty()) return std::nullopt;
  out.host = to_lower(out.host);
  return out;
}

}  // namespace

std::optional<Url> find_url(std::string_view text) { return resolve_url({}, text); }

std::optional<Url> resolve_url(const std::string& base, std::string_view reference) {
  Handle url(::curl_url());
  if (!url) return std::nullopt;
  if (!base.empty() && ::curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) return std::nullopt;
  std::string target(trim(reference));
  if (target.empty() || target.find('\0') != std::string::npos) return std::nullopt;
  if (::curl_url_set(url.get(), CURLUPART_URL, target.c_str(), CURLU_URLENCODE) != CURLUE_OK) return std::nullopt;
  ::curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  return describe(url.get());
}

std::string url_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) out += c;
    else out += cat("%", to_lower(hex(&c, 1)));
  }
  return out;
}

std::string shown_url(std::string_view text) {
  text = text.substr(0, text.find_first_of("?#"));
  auto scheme = text.find("://");
  std::string_view rest = scheme == std::string_view::npos ? text : text.substr(scheme + 3);
  auto slash = rest.find('/');
  if (auto at = rest.substr(0, slash).rfind('@'); at != std::string_view::npos) rest.remove_prefix(at + 1);
  return printable(cat(scheme == std::string_view::npos ? "" : text.substr(0, scheme + 3), rest));
}

bool is_proxy_address(std::string_view text) {
  auto end = text.find("://");
  std::string scheme = end == std::string_view::npos ? "http" : to_lower(text.substr(0, end));
  std::string_view rest = end == std::string_view::npos ? text : text.substr(end + 3);
  bool known = scheme == "http" || scheme == "https" || scheme == "socks4" || scheme == "socks4a" || scheme == "socks5" || scheme == "socks5h";
  if (!known || rest.empty()) return false;
  Handle url(::curl_url());
  return url && ::curl_url_set(url.get(), CURLUPART_URL, cat("http://", rest).c_str(), 0) == CURLUE_OK;
}

}  // namespace udocker::net
