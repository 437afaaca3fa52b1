#include "registry/endpoint.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

namespace udocker::registry {
namespace {

Endpoint first(const char* image, EndpointOptions options = {}) {
  return plan_endpoints(oci::remote_name(oci::parse_image_ref(image)), options).front();
}

TEST(Endpoints, ComeFromTheName) {
  EXPECT_EQ(first("busybox").url, "https://registry-1.docker.io");
  EXPECT_EQ(first("busybox").repository, "library/busybox");
  EXPECT_EQ(first("quay.io/a/b").url, "https://quay.io");
  EXPECT_EQ(first("host.example:5000/a").url, "https://host.example:5000");
  EXPECT_FALSE(first("host.example:5000/a").may_use_http);
  EXPECT_TRUE(first("localhost:5000/a").may_use_http);
  EXPECT_TRUE(first("127.0.0.2/a").may_use_http);
}

TEST(Endpoints, OptionsWin) {
  EndpointOptions options;
  options.registry = "http://reg.example/prefix/";
  EXPECT_EQ(first("busybox", options).url, "http://reg.example/prefix");
  EXPECT_EQ(first("busybox", options).repository, "library/busybox");
  options.registry = "reg.example/v2/";
  options.insecure = true;
  EXPECT_EQ(first("quay.io/a/b", options).url, "https://reg.example");
  EXPECT_TRUE(first("quay.io/a/b", options).may_use_http);
  EXPECT_EQ(first("quay.io/a/b", options).verify, net::Verify::no);
  options.registry = "ftp://x";
  EXPECT_THROW(first("a", options), UsageError);
}

}  // namespace
}  // namespace udocker::registry
