#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker {

TEST(RemoveTree, WideTreesWithOddModesAndLinks) {
  TempDir place(testing::TempDir(), "remove");
  std::string root = place.path() + "/tree", kept = place.path() + "/kept";
  make_file(kept, "x");
  for (int i = 0; i < 60; ++i)
    for (int k = 0; k < 5; ++k) {
      make_directories(cat(root, "/", i, "/", k));
      make_file(cat(root, "/", i, "/", k, "/f"), "x");
      ASSERT_EQ(::symlink(place.path().c_str(), cat(root, "/", i, "/", k, "/l").c_str()), 0);
    }
  for (int i = 0; i < 60; i += 3) ::chmod(cat(root, "/", i, "/1").c_str(), 0);
  for (int i = 0; i < 60; i += 5) ::chmod(cat(root, "/", i).c_str(), 0500);
  ::chmod(root.c_str(), 0);
  remove_tree(root);
  struct stat st;
  EXPECT_NE(::lstat(root.c_str(), &st), 0);
  EXPECT_TRUE(path_exists(kept));
  remove_tree(root);  // missing is success
}

TEST(RemoveTree, DepthBeyondThePathLimitAndTheDescriptorLimit) {
  TempDir place(testing::TempDir(), "remove");
  std::string root = place.path() + "/tree";
  make_directories(root);
  UniqueFd at = open_fd(root, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    at = open_fd_at(at.get(), "d", O_RDONLY | O_DIRECTORY);
  }
  at.reset();
  remove_tree(root);
  struct stat st;
  EXPECT_NE(::lstat(root.c_str(), &st), 0);
}

TEST(RemoveTree, LinksAndFilesThemselves) {
  TempDir place(testing::TempDir(), "remove");
  make_directories(place.path() + "/d/x");
  ASSERT_EQ(::symlink("d", (place.path() + "/l").c_str()), 0);
  remove_tree(place.path() + "/l");
  EXPECT_TRUE(path_exists(place.path() + "/d/x"));
}

}  // namespace udocker
