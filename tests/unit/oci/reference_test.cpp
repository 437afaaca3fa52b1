#include "oci/reference.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

namespace udocker::oci {
namespace {

const std::string kHex(64, '7');
const std::string kDigest = "sha256:" + kHex;

TEST(ImageRef, KeepsTheNameAsTyped) {
  EXPECT_EQ(parse_image_ref("busybox").text(), "busybox:latest");
  EXPECT_EQ(parse_image_ref("docker.io/python:3-slim").repository, "docker.io/python");
  EXPECT_EQ(parse_image_ref("Upper/Case:V1").text(), "Upper/Case:V1");
}

TEST(ImageRef, TakesHostsWithPorts) {
  auto ref = parse_image_ref("localhost:5000/a/b:c");
  EXPECT_EQ(ref.repository, "localhost:5000/a/b");
  EXPECT_EQ(ref.tag, "c");
  EXPECT_EQ(parse_image_ref("host:5000/image").text(), "host:5000/image:latest");
  EXPECT_EQ(parse_image_ref("[::1]:5000/image:x").repository, "[::1]:5000/image");
  EXPECT_EQ(parse_image_ref("name:5000").tag, "5000");
}

TEST(ImageRef, TakesDigestsInEveryForm) {
  auto ref = parse_image_ref("quay.io/a-b/c@" + kDigest);
  EXPECT_EQ(ref.repository, "quay.io/a-b/c");
  EXPECT_EQ(ref.local_tag(), kDigest);
  EXPECT_EQ(parse_image_ref("a/b:" + kDigest), parse_image_ref("a/b@" + kDigest));
  auto both = parse_image_ref("h:1/a:tag@" + kDigest);
  EXPECT_EQ(both.tag, "tag");
  EXPECT_EQ(both.text(), "h:1/a:" + kDigest);
}

TEST(ImageRef, RefusesWhatIsNoNameOrNoSafePath) {
  for (const char* bad : {"", ":", "a:", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "-a", ".a", "a b", "a\nb", "a@", "a@sha256:1",
                          "a@sha256:zz", "a:b/c:d/e", "a:b:c", "h:0/a", "h:99999/a", "h:x/a", "a:..", "a:.x", "[::1/a", "[]/a", "\xff", "a/b:c/../d"})
    EXPECT_THROW(parse_image_ref(bad), UsageError) << bad;
  EXPECT_FALSE(find_image_ref(std::string(256, 'a')));
  EXPECT_FALSE(find_image_ref("a:" + std::string(129, 'a')));
  EXPECT_FALSE(find_image_ref(std::string("a\0b", 3)));
}

TEST(RemoteName, FindsTheRegistry) {
  auto remote = [](const char* text) { return remote_name(parse_image_ref(text)); };
  EXPECT_EQ(remote("busybox").text(), "docker.io/library/busybox:latest");
  EXPECT_EQ(remote("docker.io/python").text(), "docker.io/library/python:latest");
  EXPECT_EQ(remote("index.docker.io/a/b").registry, "docker.io");
  EXPECT_EQ(remote("a/b:1").text(), "docker.io/a/b:1");
  EXPECT_EQ(remote("localhost/a").registry, "localhost");
  EXPECT_EQ(remote("host:5000/image").repository, "image");
  EXPECT_EQ(remote("quay.io/a/b/c").repository, "a/b/c");
  EXPECT_EQ(remote("a.b").text(), "docker.io/library/a.b:latest");
  EXPECT_EQ(remote(("a/b:t@" + kDigest).c_str()).text(), "docker.io/a/b@" + kDigest);
}

TEST(RemoteName, RefusesNamesNoRegistryTakes) {
  for (const char* bad : {"Upper", "a/b..c", "a/b___c", "a/b-", "a_-b", "host:1/Up"})
    EXPECT_THROW(remote_name(parse_image_ref(bad)), UsageError) << bad;
  for (const char* good : {"a__b", "a--b", "a---b.c_d", "host:1/0"}) EXPECT_NO_THROW(remote_name(parse_image_ref(good))) << good;
}

}  // namespace
}  // namespace udocker::oci
