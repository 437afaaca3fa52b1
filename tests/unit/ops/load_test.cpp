#include "ops/load_files.hpp"
#include "ops/load_parts.hpp"

#include <gtest/gtest.h>

namespace udocker::ops {

TEST(ImageArchive, NamesStayInside) {
  EXPECT_EQ(clean_member("./a//b/../c"), "a/c");
  EXPECT_EQ(clean_member("/manifest.json"), "manifest.json");
  EXPECT_EQ(clean_member("a/../../b"), "");
  EXPECT_EQ(clean_member(".."), "");
  EXPECT_EQ(clean_member(""), "");
}

TEST(ImageArchive, NamesOfDockerHubAreFamiliar) {
  EXPECT_EQ(familiar_name("docker.io/library/alpine:3"), "alpine:3");
  EXPECT_EQ(familiar_name("docker.io/org/app:1"), "org/app:1");
  EXPECT_EQ(familiar_name("quay.io/org/app:1"), "quay.io/org/app:1");
  EXPECT_EQ(familiar_name("docker.io/"), "docker.io/");
}

}  // namespace udocker::ops
