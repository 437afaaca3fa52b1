#include "oci/reference.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>

namespace udocker::oci {

namespace {

constexpr std::size_t kLongestName = 255, kLongestTag = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_alnum(char c) { return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_name_char(char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; }
bool is_dots(std::string_view text) { return text == "." || text == ".."; }

bool is_component(std::string_view text) {
  return !text.empty() && !is_dots(text) && std::all_of(text.begin(), text.end(), is_name_char);
}

bool is_port(std::string_view text) {
  auto number = parse_number(text);
  return number && *number > 0 && *number < 65536;
}

// host, host:port, [v6], [v6]:port
bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    auto close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    auto inside = text.substr(1, close - 1);
    auto fits = [](char c) { return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'F') || c == ':' || c == '.'; };
    if (!std::all_of(inside.begin(), inside.end(), fits)) return false;
    auto rest = text.substr(close + 1);
    return rest.empty() || (rest[0] == ':' && is_port(rest.substr(1)));
  }
  auto colon = text.find(':');
  return is_component(text.substr(0, colon)) && (colon == std::string_view::npos || is_port(text.substr(colon + 1)));
}

// What is wrong with a repository name; empty when nothing is.
std::string repository_fault(std::string_view name) {
  if (name.empty()) return "the name is empty";
  if (name.size() > kLongestName) return "the name is longer than 255 characters";
  if (!is_alnum(name[0]) && name[0] != '[') return "the name must begin with a letter or digit";
  auto parts = split(name, '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (is_component(parts[i]) || (i == 0 && parts.size() > 1 && is_host(parts[i]))) continue;
    return cat("not a part of an image name: '", printable(parts[i]), "'");
  }
  return {};
}

bool is_tag(std::string_view text) {
  return text.size() <= kLongestTag && is_component(text) && text[0] != '-' && text[0] != '.';
}

struct Parsed {
  ImageRef ref;
  std::string fault;
};

// `name:sha256:HEX`: position of the colon before the digest.
std::size_t listed_digest(std::string_view text) {
  auto last = text.rfind(':');
  if (last == std::string_view::npos || last == 0) return std::string_view::npos;
  auto before = text.rfind(':', last - 1);
  return before != std::string_view::npos && find_digest(text.substr(before + 1)) ? before : std::string_view::npos;
}

Parsed parse(std::string_view text) {
  Parsed out;
  std::string_view name = text;
  auto at = text.find('@');
  if (at == std::string_view::npos) at = listed_digest(text);
  if (at != std::string_view::npos) {
    out.ref.digest = find_digest(text.substr(at + 1));
    if (!out.ref.digest) return {{}, cat("not a digest: '", printable(text.substr(at + 1)), "'")};
    name = text.substr(0, at);
  }
  auto slash = name.rfind('/');
  auto colon = name.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    out.ref.tag = name.substr(colon + 1);
    if (!is_tag(out.ref.tag)) return {{}, cat("not a tag: '", printable(out.ref.tag), "'")};
    name = name.substr(0, colon);
  } else {
    out.ref.tag = out.ref.digest ? out.ref.digest->text() : "latest";
  }
  out.ref.repository = name;
  out.fault = repository_fault(name);
  return out;
}

bool is_hub_alias(std::string_view host) {
  return host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io" ||
         host == "registry.hub.docker.com" || host == "hub.docker.com";
}

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool is_remote_component(std::string_view text) {
  auto plain = [](char c) { return is_lower(c) || is_digit(c); };
  if (text.empty() || !plain(text.front()) || !plain(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (plain(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && text[end] == text[i]) ++end;
    std::size_t limit = text[i] == '-' ? text.size() : text[i] == '_' ? 2 : text[i] == '.' ? 1 : 0;
    if (end - i > limit || !plain(text[end])) return false;
    i = end;
  }
  return true;
}

}  // namespace

std::optional<ImageRef> find_image_ref(std::string_view text) {
  Parsed parsed = parse(text);
  if (!parsed.fault.empty()) return std::nullopt;
  return std::move(parsed.ref);
}

ImageRef parse_image_ref(std::string_view text) {
  Parsed parsed = parse(text);
  if (!parsed.fault.empty())
    throw UsageError(cat("must specify image:tag or repository/image:tag: ", parsed.fault));
  return std::move(parsed.ref);
}

std::string parse_repository(std::string_view text) {
  if (auto fault = repository_fault(text); !fault.empty())
    throw UsageError(cat("enter image or repository/image without tag: ", fault));
  return std::string(text);
}

std::string_view registry_part(std::string_view repository) {
  auto slash = repository.find('/');
  if (slash == std::string_view::npos) return {};
  auto first = repository.substr(0, slash);
  bool host = first.find_first_of(".:") != std::string_view::npos || first == "localhost";
  return host ? first : std::string_view();
}

std::string RemoteName::text() const {
  return cat(registry, "/", repository, reference.find(':') == std::string::npos ? ":" : "@", reference);
}

RemoteName remote_name(const ImageRef& ref) {
  RemoteName out;
  std::string_view host = registry_part(ref.repository);
  out.repository = host.empty() ? ref.repository : ref.repository.substr(host.size() + 1);
  out.registry = host.empty() || is_hub_alias(host) ? "docker.io" : std::string(host);
  out.reference = ref.local_tag();
  if (out.is_docker_hub() && out.repository.find('/') == std::string::npos) out.repository = "library/" + out.repository;
  for (const auto& part : split(out.repository, '/'))
    if (!is_remote_component(part))
      throw UsageError(cat("no registry has an image of this name: '", printable(out.repository),
                           "' (parts are lower-case letters and digits joined by single . _ or -)"));
  return out;
}

}  // namespace udocker::oci
