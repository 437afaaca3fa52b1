#include "host/limits.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <optional>

#include <sys/resource.h>

namespace udocker::host {

namespace {

struct Name {
  std::string_view name;
  int resource;
};
constexpr Name kNames[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},       {"cpu", RLIMIT_CPU},         {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},     {"locks", RLIMIT_LOCKS},     {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},       {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},     {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},   {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

std::optional<rlim_t> value_of(std::string_view text) {
  if (text == "-1" || text == "unlimited") return RLIM_INFINITY;
  auto number = parse_number(text);
  return number ? std::optional<rlim_t>(*number) : std::nullopt;
}

}  // namespace

void set_limit(const std::string& text) {
  auto equals = text.find('=');
  std::string name = text.substr(0, equals), values = equals == std::string::npos ? "" : text.substr(equals + 1);
  auto colon = values.find(':');
  auto soft = value_of(values.substr(0, colon));
  auto hard = colon == std::string::npos ? soft : value_of(values.substr(colon + 1));
  for (const auto& row : kNames) {
    if (row.name != name || !soft || !hard) continue;
    rlimit limit = {*soft, *hard};
    if (::setrlimit(static_cast<decltype(RLIMIT_AS)>(row.resource), &limit) != 0) throw_errno("set the limit", text);
    return;
  }
  throw UsageError(cat("invalid limit: ", printable(text), " (expected a form like nofile=1024:2048)"));
}

}  // namespace udocker::host
