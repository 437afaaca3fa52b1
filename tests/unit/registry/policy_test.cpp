#include "registry/policy.hpp"

#include <gtest/gtest.h>

namespace udocker::registry {
namespace {

TEST(Policy, TheMostExactScopeDecides) {
  auto policy = json::parse(R"({"default":[{"type":"reject"}],"transports":{"docker":{
    "quay.io":[{"type":"insecureAcceptAnything"}],"quay.io/evil":[{"type":"reject"}],"quay.io/evil/good":[{"type":"insecureAcceptAnything"}],
    "*.corp.example":[{"type":"signedBy","keyPath":"/x"}]}}})", "test");
  EXPECT_FALSE(is_rejected(policy, "quay.io/a/b"));
  EXPECT_TRUE(is_rejected(policy, "quay.io/evil/b"));
  EXPECT_FALSE(is_rejected(policy, "quay.io/evil/good"));
  EXPECT_TRUE(is_rejected(policy, "quay.io:5000/a"));
  EXPECT_FALSE(is_rejected(policy, "x.corp.example/a"));
  EXPECT_TRUE(is_rejected(policy, "docker.io/library/busybox"));
}

TEST(Policy, AnyShapeIsRead) {
  for (const char* text : {"{}", "[]", "5", R"({"default":5,"transports":[]})", R"({"transports":{"docker":{"a":[5]}}})"})
    EXPECT_FALSE(is_rejected(json::parse(text, "test"), "a/b")) << text;
}

}  // namespace
}  // namespace udocker::registry
