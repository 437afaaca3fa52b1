#include "oci/platform.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <sys/utsname.h>

namespace udocker::oci {

namespace {

constexpr const char* kAnyVariant = "*";

struct Alias {
  std::string_view name, architecture, variant;
};

constexpr Alias kAliases[] = {
    {"x86_64", "amd64", ""},  {"x86-64", "amd64", ""},   {"aarch64", "arm64", ""},   {"armhf", "arm", "v7"},
    {"armv7l", "arm", "v7"},  {"armv7", "arm", "v7"},    {"armel", "arm", "v6"},     {"armv6l", "arm", "v6"},
    {"armv5l", "arm", "v5"},  {"armv5tel", "arm", "v5"}, {"armv8l", "arm", "v7"},    {"i386", "386", ""},
    {"i486", "386", ""},      {"i586", "386", ""},       {"i686", "386", ""},        {"x86", "386", ""},
    {"mipsel", "mipsle", ""}, {"mips64el", "mips64le", ""}, {"loongarch64", "loong64", ""}, {"powerpc64le", "ppc64le", ""},
};

void apply_alias(Platform& platform) {
  for (const auto& alias : kAliases) {
    if (platform.architecture != alias.name) continue;
    platform.architecture = alias.architecture;
    if (platform.variant.empty()) platform.variant = alias.variant;
    return;
  }
}

int level(std::string_view variant) {
  return variant.size() == 2 && variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9' ? variant[1] - '0' : 0;
}

}  // namespace

std::string Platform::text() const {
  std::string out = os;
  if (!architecture.empty() || !variant.empty()) out += "/" + architecture;
  if (!variant.empty()) out += "/" + variant;
  return out;
}

Platform parse_platform(std::string_view text) {
  auto parts = split(to_lower(trim(text)), '/');
  auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'; };
  bool good = parts.size() <= 3;
  for (const auto& part : parts) good = good && !part.empty() && std::all_of(part.begin(), part.end(), fits);
  if (!good) throw UsageError(cat("invalid platform (os[/architecture[/variant]]): ", printable(text)));
  parts.resize(3);
  Platform platform{parts[0], parts[1], parts[2]};
  apply_alias(platform);
  return platform;
}

Platform normalised(Platform platform) {
  platform = {to_lower(platform.os), to_lower(platform.architecture), to_lower(platform.variant)};
  apply_alias(platform);
  if (level(cat("v", platform.variant))) platform.variant.insert(0, "v");
  if (platform.architecture == "arm64" && platform.variant == "v8") platform.variant.clear();
  if (platform.architecture == "amd64" && platform.variant == "v1") platform.variant.clear();
  return platform;
}

Platform platform_of_machine(std::string_view machine) {
  Platform platform{"linux", to_lower(machine), ""};
  apply_alias(platform);
  return platform;
}

Platform host_platform() {
  utsname name{};
  ::uname(&name);
  Platform platform = platform_of_machine(name.machine);
#if defined(__x86_64__)
  auto has = [](bool a, bool b, bool c) { return a && b && c; };
  if (platform.architecture == "amd64") {
    __builtin_cpu_init();
    if (has(__builtin_cpu_supports("sse4.2"), __builtin_cpu_supports("ssse3"), __builtin_cpu_supports("popcnt")))
      platform.variant = "v2";
    if (!platform.variant.empty() && has(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("bmi2"), __builtin_cpu_supports("fma")))
      platform.variant = "v3";
    if (platform.variant == "v3" && has(__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"), __builtin_cpu_supports("avx512vl")))
      platform.variant = "v4";
  }
#endif
  return platform;
}

std::vector<Platform> acceptable_platforms(const Platform& wanted) {
  Platform first = normalised(wanted);
  bool any_variant = wanted.variant.empty();
  if (first.architecture == "arm" && any_variant) first.variant = "v7";
  std::vector<Platform> out{first};
  int lowest = first.architecture == "arm" ? 5 : 2;
  bool ladder = first.architecture == "arm" || first.architecture == "amd64" || first.architecture == "arm64";
  if (ladder)
    for (int lower = level(first.variant) - 1; lower >= lowest; --lower)
      out.push_back({first.os, first.architecture, cat("v", lower)});
  if (!first.variant.empty()) out.push_back({first.os, first.architecture, ""});
  if (any_variant) out.push_back({first.os, first.architecture, kAnyVariant});
  return out;
}

bool matches(const Platform& pattern, const Platform& entry) {
  Platform have = normalised(entry);
  if (!pattern.os.empty() && pattern.os != have.os) return false;
  if (pattern.architecture.empty()) return true;
  return pattern.architecture == have.architecture && (pattern.variant == kAnyVariant || pattern.variant == have.variant);
}

}  // namespace udocker::oci
