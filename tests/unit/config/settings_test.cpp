#include "config/settings.hpp"

#include "util/error.hpp"
#include "util/file.hpp"

#include <cstdlib>

#include <gtest/gtest.h>

namespace udocker::config {

TEST(Settings, ValuesAreTyped) {
  Settings s;
  apply_text(s, "http_insecure = False\nverbose_level=4\nsysdirs_list = ['/dev', \"/proc\"]\ndri_list = /a /b\ncmd: sh -l\n", "f");
  EXPECT_FALSE(s.http_insecure);
  EXPECT_EQ(s.verbose_level, 4);
  EXPECT_EQ(s.sysdirs_list, (List{"/dev", "/proc"}));
  EXPECT_EQ(s.dri_list, (List{"/a", "/b"}));
  EXPECT_EQ(s.cmd, (List{"sh", "-l"}));
}
TEST(Settings, HeadersQuotesCommentsContinuationsAndInterpolation) {
  Settings s;
  apply_text(s, "[DEFAULT]\n# c\ntopdir = \"/x\"\nbindir = %(topdir)s/bin\ndri_list = /a\n  /b\n[other]\ntopdir = /y\n", "f");
  EXPECT_EQ(s.topdir, "/x");
  EXPECT_EQ(s.bindir, "/x/bin");
  EXPECT_EQ(s.dri_list, (List{"/a", "/b"}));
}
TEST(Settings, BadValueNamesFileAndLine) {
  Settings s;
  try {
    apply_text(s, "\nhttp_insecure = maybe\n", "my.conf");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "my.conf:2: http_insecure: expected true or false, got maybe");
  }
  EXPECT_THROW(apply_text(s, "timeout = 12x", "f"), Error);
  EXPECT_THROW(apply_text(s, "just words", "f"), Error);
}
TEST(Settings, FileOfTopDirectoryThenFileOptionThenEnvironment) {
  TempDir dir("/tmp", "settings");
  make_file(dir.path() + "/udocker.conf", "timeout = 1\nctimeout = 1\ndownload_timeout = 1\nhttp_proxy = a\n");
  make_file(dir.path() + "/extra", "ctimeout = 2\ntmpdir = /e\n");
  ::setenv("UDOCKER_DIR", dir.path().c_str(), 1);
  ::setenv("UDOCKER_TMP", "/env", 1);
  Sources sources;
  sources.config_file = dir.path() + "/extra";
  Settings s = load_settings(sources);
  ::unsetenv("UDOCKER_DIR");
  ::unsetenv("UDOCKER_TMP");
  EXPECT_EQ(s.timeout, 1);
  EXPECT_EQ(s.ctimeout, 2);
  EXPECT_EQ(s.tmpdir, "/env");
  EXPECT_EQ(s.topdir, dir.path());
  EXPECT_EQ(s.reposdir, dir.path() + "/repos");
}

}  // namespace udocker::config
