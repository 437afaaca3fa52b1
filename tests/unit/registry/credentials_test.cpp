#include "registry/credentials.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

namespace udocker::registry {
namespace {

std::string auth(const char* text) { return cat(R"({"auth":")", base64_encode(text), R"("})"); }

TEST(Credentials, HostsAreComparedWithoutSchemeAndPath) {
  EXPECT_EQ(account_host("https://index.docker.io/v1/"), "docker.io");
  EXPECT_EQ(account_host("https://registry-1.docker.io"), "docker.io");
  EXPECT_EQ(account_host("Quay.IO"), "quay.io");
  EXPECT_EQ(account_host("http://localhost:5000/x"), "localhost:5000");
}

TEST(Credentials, LongestKeyWins) {
  auto config = json::parse(cat(R"({"auths":{"https://index.docker.io/v1/":)", auth("hub:p"), R"(,"quay.io":)", auth("q:p"), R"(,"quay.io/team":)", auth("team:p:q"),
                                R"(,"quay.io/team/x":)", auth("x:p"), "}}"), "test");
  auto user = [&](const char* host, const char* repository) { return find_in_config(config, host, repository, "test").user; };
  EXPECT_EQ(user("docker.io", "library/busybox"), "hub");
  EXPECT_EQ(user("quay.io", "other/a"), "q");
  EXPECT_EQ(user("quay.io", "team/a"), "team");
  EXPECT_EQ(user("quay.io", "team/x/y"), "x");
  EXPECT_EQ(user("quay.io", "teamwork/a"), "q");
  EXPECT_EQ(user("ghcr.io", "a"), "");
  EXPECT_EQ(find_in_config(config, "quay.io", "team/a", "test").password.reveal(), "p:q");
}

TEST(Credentials, TokensAndOddEntries) {
  auto config = json::parse(R"({"auths":{"a":{"identitytoken":"it"},"b":{"registrytoken":"rt"},"c":{},"d":5,"e":{"auth":"%%%"},"f":{"username":"u","password":"p"}}})", "test");
  EXPECT_EQ(find_in_config(config, "a", "", "t").identity_token.reveal(), "it");
  EXPECT_EQ(find_in_config(config, "b", "", "t").registry_token.reveal(), "rt");
  for (const char* host : {"c", "d", "e", "z"}) EXPECT_TRUE(find_in_config(config, host, "", "t").empty()) << host;
  EXPECT_EQ(find_in_config(config, "f", "", "t").user, "u");
  EXPECT_EQ(Secret("abc").text(), "******");
}

TEST(Keystore, RoundTripInTheToolsFormat) {
  TempDir dir("/tmp");
  std::string path = dir.path() + "/keystore";
  Keystore keystore(path);
  EXPECT_TRUE(keystore.find("https://quay.io").empty() || keystore.find("https://quay.io").user.empty());
  keystore.store("https://quay.io", "me", Secret("a:b"));
  keystore.store("https://registry-1.docker.io", "hub", Secret("x"));
  struct stat st;
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  EXPECT_EQ(load_file(path), R"({"https://quay.io": {"auth": "bWU6YTpi", "email": ""}, "https://registry-1.docker.io": {"auth": "aHViOng=", "email": ""}})");
  EXPECT_EQ(keystore.find("https://quay.io").password.reveal(), "a:b");
  EXPECT_EQ(keystore.find("quay.io").user, "me");
  EXPECT_TRUE(keystore.erase("quay.io"));
  EXPECT_FALSE(keystore.erase("quay.io"));
  EXPECT_TRUE(keystore.erase_all());
  EXPECT_FALSE(keystore.erase_all());
}

TEST(Keystore, RefusesAFileOthersCanRead) {
  TempDir dir("/tmp");
  std::string path = dir.path() + "/keystore";
  make_file(path, "{}", 0644);
  ::chmod(path.c_str(), 0644);
  EXPECT_THROW(Keystore(path).find("x"), Error);
  ::chmod(path.c_str(), 0600);
  EXPECT_NO_THROW(Keystore(path).find("x"));
}

}  // namespace
}  // namespace udocker::registry
