#include "oci/platform.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <array>

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

std::string amd64_variant(const std::string& cpuinfo) {
  constexpr std::array<std::array<std::string_view, 3>, 3> kNeeded = {
      {{"sse4_2", "ssse3", "popcnt"}, {"avx2", "bmi2", "fma"}, {"avx512f", "avx512bw", "avx512vl"}}};
  std::size_t at = cpuinfo.find("\nflags");
  if (at == std::string::npos) return "";
  const auto flags = split_words(std::string_view(cpuinfo).substr(at + 1, cpuinfo.find('\n', at + 1) - at - 1));
  std::string variant;
  for (std::size_t i = 0; i < kNeeded.size(); ++i) {
    for (const auto& flag : kNeeded[i])
      if (std::find(flags.begin(), flags.end(), flag) == flags.end()) return variant;
    variant = cat("v", i + 2);
  }
  return variant;
}

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
  if (platform.architecture != "amd64") return platform;
  try {
    platform.variant = amd64_variant(find_file("/proc/cpuinfo").value_or(""));
  } catch (const Error&) {  // not to be read: the first variant serves
  }
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
