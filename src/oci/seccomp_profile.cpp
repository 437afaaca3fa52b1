#include "oci/seccomp_profile.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>

namespace udocker::oci {
namespace {

std::vector<std::string> texts(const json::Value& value) {
  std::vector<std::string> out;
  for (const auto& item : value.as_array()) out.push_back(item.as_string());
  return out;
}

bool any_of(const json::Value& wanted, const std::vector<std::string>& have) {
  return std::ranges::any_of(wanted.as_array(), [&](const json::Value& item) {
    return std::ranges::find(have, item.as_string()) != have.end();
  });
}

bool all_of(const json::Value& wanted, const std::vector<std::string>& have) {
  return std::ranges::all_of(wanted.as_array(), [&](const json::Value& item) {
    return std::ranges::find(have, item.as_string()) != have.end();
  });
}

// "5.11" against "6.1.0-13-amd64": kernel version and major revision only, as Docker compares them.
bool kernel_at_least(std::string_view release, std::string_view wanted) {
  auto number = [](std::string_view& text) {
    std::uint64_t value = 0;
    std::size_t at = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) value = value * 10 + static_cast<unsigned>(text[at] - '0');
    text.remove_prefix(std::min(text.size(), at + 1));
    return value;
  };
  auto major = number(release), wanted_major = number(wanted);
  if (major != wanted_major) return major > wanted_major;
  return number(release) >= number(wanted);
}

struct Facts {
  const std::vector<std::string>& capabilities;
  std::vector<std::string> architecture;
  std::string_view kernel_release;
};

bool rule_applies(const json::Value& rule, const Facts& facts) {
  const auto& excludes = rule["excludes"];
  if (any_of(excludes["arches"], facts.architecture) || any_of(excludes["caps"], facts.capabilities)) return false;
  if (excludes.has("minKernel") && kernel_at_least(facts.kernel_release, excludes["minKernel"].as_string())) return false;
  const auto& includes = rule["includes"];
  if (!includes["arches"].as_array().empty() && !any_of(includes["arches"], facts.architecture)) return false;
  if (!all_of(includes["caps"], facts.capabilities)) return false;
  return !includes.has("minKernel") || kernel_at_least(facts.kernel_release, includes["minKernel"].as_string());
}

std::optional<unsigned> errno_of(const json::Value& value) {
  return value.is_integer() ? std::optional(static_cast<unsigned>(value.as_integer())) : std::nullopt;
}

host::SeccompRule parse_rule(const json::Value& value) {
  host::SeccompRule rule;
  rule.names = texts(value["names"]);
  if (!value["name"].as_string().empty()) rule.names.push_back(value["name"].as_string());
  rule.action = value["action"].as_string();
  rule.errno_ret = errno_of(value["errnoRet"]);
  if (rule.names.empty()) throw IntegrityError("seccomp profile: a rule of linux.seccomp.syscalls has no names");
  for (const auto& item : value["args"].as_array()) {
    if (!item.is_object()) continue;
    host::SeccompArgument argument;
    argument.index = static_cast<unsigned>(item["index"].as_integer());
    // Large 64-bit masks arrive as floating point numbers.
    auto number = [](const json::Value& field) {
      return field.is_integer() ? static_cast<std::uint64_t>(field.as_integer())
                                : static_cast<std::uint64_t>(field.as_number());
    };
    argument.value = number(item["value"]);
    argument.value_two = number(item["valueTwo"]);
    argument.op = item["op"].as_string();
    rule.arguments.push_back(argument);
  }
  return rule;
}

constexpr const char* kGoArchitectures[][2] = {
    {"amd64", "SCMP_ARCH_X86_64"}, {"arm64", "SCMP_ARCH_AARCH64"},   {"386", "SCMP_ARCH_X86"},
    {"arm", "SCMP_ARCH_ARM"},      {"ppc64le", "SCMP_ARCH_PPC64LE"}, {"s390x", "SCMP_ARCH_S390X"},
    {"riscv64", "SCMP_ARCH_RISCV64"},
};

}  // namespace

host::SeccompProfile parse_seccomp(const json::Value& value, const std::vector<std::string>& capabilities,
                                   std::string_view architecture, std::string_view kernel_release) {
  host::SeccompProfile profile;
  profile.default_action = value["defaultAction"].as_string();
  if (profile.default_action.empty()) throw IntegrityError("seccomp profile: defaultAction is missing");
  profile.default_errno = errno_of(value["defaultErrnoRet"]);
  profile.architectures = texts(value["architectures"]);
  std::string native;
  for (const auto& row : kGoArchitectures)
    if (architecture == row[0]) native = row[1];
  for (const auto& entry : value["archMap"].as_array()) {
    if (entry["architecture"].as_string() != native) continue;
    profile.architectures.push_back(native);
    for (auto& sub : texts(entry["subArchitectures"])) profile.architectures.push_back(std::move(sub));
  }
  profile.flags = texts(value["flags"]);
  profile.listener_path = value["listenerPath"].as_string();
  profile.listener_metadata = value["listenerMetadata"].as_string();
  Facts facts{capabilities, {std::string(architecture)}, kernel_release};
  for (const auto& rule : value["syscalls"].as_array())
    if (rule_applies(rule, facts)) profile.rules.push_back(parse_rule(rule));
  return profile;
}

}  // namespace udocker::oci
