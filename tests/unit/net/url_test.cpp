#include "net/url.hpp"

#include <gtest/gtest.h>

namespace udocker::net {
namespace {

TEST(Url, ResolvesRelativeAndAbsolute) {
  EXPECT_EQ(resolve_url("https://h:5000/v2/a/blobs/x", "/other?q=1")->text, "https://h:5000/other?q=1");
  EXPECT_EQ(resolve_url("https://h/v2/a/blobs/x", "y")->text, "https://h/v2/a/blobs/y");
  EXPECT_EQ(resolve_url("https://h/v2/", "//s3.example/b")->text, "https://s3.example/b");
  EXPECT_EQ(resolve_url("https://h/v2/", "http://S3.example/b")->origin(), "http://s3.example:80");
  for (const char* bad : {"file:///etc/passwd", "gopher://x/", "", "http://", "https://user:pw@host/x"}) EXPECT_FALSE(resolve_url("https://h/", bad)) << bad;
}

TEST(Url, MessagesShowNoSecrets) {
  EXPECT_EQ(shown_url("https://user:secret@host/x?X-Amz-Signature=abc"), "https://host/x");
  EXPECT_EQ(shown_url("user:secret@host:80"), "host:80");
}

TEST(Url, ProxyAddresses) {
  for (const char* good : {"http://p:3128", "socks5h://u:p@h:1080", "socks4://h", "host:8080", "https://h", "SOCKS4A://h:1"}) EXPECT_TRUE(is_proxy_address(good)) << good;
  for (const char* bad : {"ftp://h", "socks9://h", "", "http://", "http://h:port"}) EXPECT_FALSE(is_proxy_address(bad)) << bad;
}

TEST(Url, Escapes) { EXPECT_EQ(url_escape("repository:a/b:pull c"), "repository%3aa%2fb%3apull%20c"); }

}  // namespace
}  // namespace udocker::net
