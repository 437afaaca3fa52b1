// Platforms: os/architecture/variant in Docker's (Go's) names, and which entry of an index fits a machine. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace udocker::oci {

struct Platform {
  std::string os, architecture, variant;  // each may be empty: not given
  std::string text() const;               // "linux/arm/v7"; missing parts at the end are left out
  bool operator==(const Platform&) const = default;
};

// Lower-cased; names of other worlds (x86_64, aarch64, armhf, i686) become Docker's. Throws UsageError when there are
// more than three parts, an empty one, or characters no platform has.
Platform parse_platform(std::string_view text);
// Same names, made comparable: arm64/v8 is arm64, amd64/v1 is amd64.
Platform normalised(Platform platform);

// Docker's name of `uname -m`.
Platform platform_of_machine(std::string_view machine);
// The highest variant of amd64 ("v2" to "v4"; empty: the first) that the CPU runs, by the flags in /proc/cpuinfo: those
// tell what the kernel lets programs use.
std::string amd64_variant(const std::string& cpuinfo);
// This machine, with the highest variant its CPU runs (amd64/v3).
Platform host_platform();

// Platforms that satisfy `wanted`, best first: itself, lower compatible variants, no variant, and any variant where
// none was asked for. They are patterns for matches().
std::vector<Platform> acceptable_platforms(const Platform& wanted);
// Does an entry's platform fit a pattern made by acceptable_platforms? An empty os or architecture fits all.
bool matches(const Platform& pattern, const Platform& entry);

}  // namespace udocker::oci
