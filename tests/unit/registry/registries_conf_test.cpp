#include "registry/registries_conf.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

namespace udocker::registry {
namespace {

TEST(Registries, Aliases) {
  Registries r;
  r.add("[aliases]\n\"tool\" = \"registry.example/site/tool\"\n[[registry]]\nprefix = \"x.example\"\n", "system", Aliases::ignore);
  EXPECT_EQ(r.alias("tool"), "");
  r.add("[aliases]\ntool = \"registry.example/site/tool\"\n", "own");
  EXPECT_EQ(r.alias("tool"), "registry.example/site/tool");
  EXPECT_EQ(r.alias("other"), "");
  EXPECT_NE(r.find("x.example/a"), nullptr);
}

TEST(Registries, ReadsWhatTheContainersToolsWrite) {
  Registries r;
  r.add(R"(
unqualified-search-registries = ["docker.io", # comment
  'quay.io']
short-name-mode="permissive"
[aliases]
"fedora" = "registry.example/fedora"
[[registry]]
prefix = "docker.io/library"
location = "mirror.example:5000/hub"   # where it really is
insecure = true
[[registry.mirror]]
location = "m1.example/x"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "m2.example"
insecure = true
[[registry]]
location = "bad.example"
blocked = true
[some.other]
table = { a = 1, b = [1, 2] }
[[registry]]
prefix = "*.corp.example"
location = "corp-mirror.example"
)", "test");
  ASSERT_EQ(r.rules().size(), 3u);
  const Rule* hub = r.find("docker.io/library/busybox");
  ASSERT_TRUE(hub);
  EXPECT_EQ(hub->location, "mirror.example:5000/hub");
  EXPECT_TRUE(hub->insecure);
  ASSERT_EQ(hub->mirrors.size(), 2u);
  EXPECT_EQ(hub->mirrors[0].pull, PullFrom::digest_only);
  EXPECT_TRUE(hub->mirrors[1].insecure);
  EXPECT_TRUE(r.find("bad.example/a/b")->blocked);
  EXPECT_TRUE(r.find("x.y.corp.example/a"));
  EXPECT_FALSE(r.find("corp.example/a"));
  EXPECT_FALSE(r.find("docker.io/libraryx/a"));
  EXPECT_FALSE(r.find("bad.example:5000/a"));
}

TEST(Registries, LongestPrefixAndLaterFileWin) {
  Registries r;
  r.add("[[registry]]\nprefix='a.b'\nlocation='one'\n[[registry]]\nprefix='a.b/c'\nlocation='two'", "1");
  r.add("[[registry]]\nprefix='a.b'\nlocation='three'", "2");
  EXPECT_EQ(r.find("a.b/c/d")->location, "two");
  EXPECT_EQ(r.find("a.b/x")->location, "three");
  EXPECT_EQ(r.rules().size(), 2u);
}

TEST(Registries, BrokenTextChangesNothing) {
  Registries r;
  for (const char* bad : {"[[registry]]\nprefix=\"a", "[[registry", "x", "=1", "[[registry]]\nprefix=", "a=[1", "[[registry.mirror]]\nlocation='x'", "a={b",
                          "[[registry]]\ninsecure=true", "a='x' y", "a=[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1"})
    EXPECT_THROW(r.add(bad, "bad"), IntegrityError) << bad;
  EXPECT_TRUE(r.rules().empty());
}

}  // namespace
}  // namespace udocker::registry
