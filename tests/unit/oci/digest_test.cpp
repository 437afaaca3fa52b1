#include "oci/digest.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

namespace udocker::oci {
namespace {

TEST(Digest, TakesKnownAlgorithmsOnly) {
  std::string hex(64, 'a');
  EXPECT_EQ(find_digest("sha256:" + hex)->hex(), hex);
  EXPECT_EQ(find_digest("sha512:" + hex + hex)->algorithm(), Hasher::Algorithm::sha512);
  EXPECT_FALSE(find_digest("sha512:" + hex));
  EXPECT_FALSE(find_digest("md5:" + hex.substr(32)));
  EXPECT_FALSE(find_digest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(find_digest("sha256:../../../../etc/passwd"));
  EXPECT_FALSE(find_digest(""));
  EXPECT_THROW(parse_digest("sha256:", "manifest"), IntegrityError);
}

TEST(Digest, OfBytes) {
  EXPECT_EQ(digest_of("").text(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of("abc", Hasher::Algorithm::sha512).short_hex(), "ddaf35a19361");
}

}  // namespace
}  // namespace udocker::oci
