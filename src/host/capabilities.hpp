// Linux capabilities by name and number.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::host {

// Bit sets; bit n is capability number n.
struct CapabilitySets {
  std::uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
};

// "CAP_CHOWN" or "chown", any case.
std::optional<int> find_capability(std::string_view name);
std::vector<std::string> all_capabilities();
// Names this kernel or table does not know are left out and listed in `unknown`.
std::uint64_t capability_bits(const std::vector<std::string>& names, std::vector<std::string>* unknown = nullptr);

CapabilitySets own_capabilities();
// Drops what is not in `bounding` from the bounding set. 0 or errno.
int limit_bounding(std::uint64_t bounding);
// Sets effective, permitted, inheritable, then ambient (ambient failures of single bits are passed over).
// What the process does not have is left out. 0 or errno.
int apply_capabilities(const CapabilitySets& sets);
// All that is permitted becomes effective: after a change of ids with PR_SET_KEEPCAPS.
int raise_permitted();

}  // namespace udocker::host
