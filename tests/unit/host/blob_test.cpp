#include "host/blob.hpp"
#include "util/digest.hpp"
#include "util/file.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

namespace udocker::host::blob {

TEST(Blob, DigestsAreTheContents) {
  EXPECT_EQ(preload_digest(), sha256_hex(preload()).substr(0, 16));
  EXPECT_EQ(trap_runtime_digest(), sha256_hex(trap_runtime()).substr(0, 16));
}

TEST(Blob, KeptOnlyWhereNobodyElseWrites) {
  TempDir place(testing::TempDir(), "blob");
  const std::string path = place.path() + "/kept", link = place.path() + "/link";
  EXPECT_FALSE(is_kept_at(path, "content"));
  make_file(path, "content", 0644);
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_TRUE(is_kept_at(path, "content"));
  EXPECT_FALSE(is_kept_at(path, "contents"));
  ASSERT_EQ(::symlink("kept", link.c_str()), 0);
  EXPECT_FALSE(is_kept_at(link, "content"));
  ASSERT_EQ(::chmod(path.c_str(), 0664), 0);
  EXPECT_FALSE(is_kept_at(path, "content"));
}

}  // namespace udocker::host::blob
