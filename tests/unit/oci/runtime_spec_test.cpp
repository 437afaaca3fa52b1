#include "oci/runtime_spec.hpp"
#include "oci/seccomp_profile.hpp"
#include "util/error.hpp"

#include <gtest/gtest.h>

using namespace udocker;
using namespace udocker::oci;

namespace {
std::string minimal(std::string_view more = "") {
  return std::string(R"({"ociVersion":"1.0.2","root":{"path":"r"},"process":{"args":["a"],"cwd":"/"})") + std::string(more) + "}";
}
}  // namespace

TEST(RuntimeSpec, ReadsWhatItWrites) {
  Config config = parse_config(json::to_compact(make_template(RootlessIds{1000, 100})), "t");
  EXPECT_EQ(config.uid_mappings, (std::vector<IdMapping>{{0, 1000, 1}}));
  EXPECT_EQ(config.gid_mappings, (std::vector<IdMapping>{{0, 100, 1}}));
  EXPECT_TRUE(config.has_namespace("user"));
  EXPECT_FALSE(config.has_namespace("network"));
  Config again = parse_config(json::to_compact(to_json(config)), "t");
  EXPECT_EQ(json::to_compact(to_json(again)), json::to_compact(to_json(config)));
}

TEST(RuntimeSpec, RefusesWhatCannotBeRight) {
  EXPECT_THROW(parse_config("[]", "t"), Error);
  EXPECT_THROW(parse_config("{}", "t"), Error);
  EXPECT_THROW(parse_config(R"({"ociVersion":"2.0.0","root":{"path":"r"}})", "t"), Error);
  EXPECT_THROW(parse_config(R"({"ociVersion":"1.0.2"})", "t"), Error);
  EXPECT_THROW(parse_config(R"({"ociVersion":"1.0.2","root":{"path":"r"},"process":{"cwd":"x"}})", "t"), Error);
  EXPECT_THROW(parse_config(minimal(R"(,"linux":{"namespaces":[{"type":"pid"},{"type":"pid"}]})"), "t"), Error);
  EXPECT_THROW(parse_config(minimal(R"(,"linux":{"namespaces":[{"type":"mnt"}]})"), "t"), Error);
  EXPECT_THROW(parse_config(minimal(R"(,"hooks":{"prestart":[{"path":"relative"}]})"), "t"), Error);
  EXPECT_NO_THROW(parse_config(minimal(), "t"));
}

TEST(RuntimeSpec, LargestLimitMeansNone) {
  auto process = parse_process(json::parse(R"({"cwd":"/","rlimits":[{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}]})", "t"), "t");
  EXPECT_EQ(process.rlimits.at(0).soft, ~std::uint64_t{0});
}

TEST(SeccompProfile, FollowsDockersConditions) {
  auto value = json::parse(R"({
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
    "syscalls": [
      {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
      {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
      {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
      {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
      {"names": ["later"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.12"}},
      {"names": ["arm_sync"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}}]})", "t");
  auto names = [](const host::SeccompProfile& profile) {
    std::string out;
    for (const auto& rule : profile.rules) out += rule.names[0] + " ";
    return out;
  };
  EXPECT_EQ(names(parse_seccomp(value, {}, "amd64", "6.1.0-13-amd64")), "read clone ptrace ");
  EXPECT_EQ(names(parse_seccomp(value, {"CAP_SYS_ADMIN"}, "arm64", "6.12.1")), "read mount ptrace later arm_sync ");
  auto profile = parse_seccomp(value, {}, "amd64", "4.4.0");
  EXPECT_EQ(profile.architectures, (std::vector<std::string>{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}));
  EXPECT_EQ(profile.default_errno, 1u);
  EXPECT_FALSE(host::compile_seccomp(profile).empty());
}

TEST(SeccompProfile, RefusesUnknownNames) {
  host::SeccompProfile profile;
  profile.default_action = "SCMP_ACT_MAYBE";
  EXPECT_THROW(host::compile_seccomp(profile), Error);
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.rules = {{{"no_such_call", "read"}, "SCMP_ACT_ERRNO", 5u, {}}};
  EXPECT_NO_THROW(host::compile_seccomp(profile));
  profile.rules[0].arguments = {{0, 1, 0, "SCMP_CMP_LIKE"}};
  EXPECT_THROW(host::compile_seccomp(profile), Error);
}
