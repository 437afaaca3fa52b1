#include "engine/leftovers.hpp"

#include "util/file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace udocker::engine {
namespace {

class Leftovers : public ::testing::Test {
 protected:
  Leftovers() : dir_("/tmp", "leftovers"), c_(dir_.path()) {
    for (const char* name : {"/ROOT/etc", "/ROOT/.bind_host_files", "/.bind_orig_files", "/.mountpoints"}) make_directories(c_ + name);
  }
  void link(const std::string& target, const std::string& path) { ASSERT_EQ(::symlink(target.c_str(), (c_ + path).c_str()), 0); }
  TempDir dir_;
  std::string c_;
};

TEST_F(Leftovers, OriginalsComeBackOverBindLinks) {
  make_file(c_ + "/.bind_orig_files/#etc#passwd", "original");
  make_file(c_ + "/.bind_orig_files/#etc#group", "old");
  make_file(c_ + "/ROOT/etc/group", "new");
  link("/.bind_host_files/#etc#passwd", "/ROOT/etc/passwd");
  EXPECT_TRUE(has_file_binds(c_));
  EXPECT_EQ(restore_file_binds(c_), 1);
  EXPECT_EQ(load_file(c_ + "/ROOT/etc/passwd"), "original");
  EXPECT_EQ(load_file(c_ + "/ROOT/etc/group"), "new");
  EXPECT_FALSE(path_exists(c_ + "/.bind_orig_files") || path_exists(c_ + "/ROOT/.bind_host_files"));
  EXPECT_FALSE(has_file_binds(c_));
}
TEST_F(Leftovers, NothingOutsideTheRootIsTouched) {
  TempDir outside("/tmp", "outside");
  make_file(outside.path() + "/victim", "");
  link(outside.path(), "/ROOT/etc/out");
  make_file(c_ + "/.bind_orig_files/#etc#out#victim", "evil");
  make_file(c_ + "/.bind_orig_files/#..#..#x", "evil");
  link("#etc", "/.mountpoints/#etc#out#victim");
  link("#", "/.mountpoints/#..#victim");
  restore_file_binds(c_);
  purge_mountpoints(c_);
  EXPECT_EQ(load_file(outside.path() + "/victim"), "");
}
TEST_F(Leftovers, MountPointsGoUpToTheRecordedAncestor) {
  make_directories(c_ + "/ROOT/data/deep/er");
  make_file(c_ + "/ROOT/etc/made", "");
  make_file(c_ + "/ROOT/etc/used", "data");
  link("#", "/.mountpoints/#data#deep#er");
  link("#etc", "/.mountpoints/#etc#made");
  link("#etc", "/.mountpoints/#etc#used");
  EXPECT_EQ(purge_mountpoints(c_), 4);
  EXPECT_FALSE(path_exists(c_ + "/ROOT/data") || path_exists(c_ + "/ROOT/etc/made") || path_exists(c_ + "/.mountpoints"));
  EXPECT_TRUE(path_exists(c_ + "/ROOT/etc/used"));
}
TEST_F(Leftovers, BindLinksThatWereRecordedAsMountPointsStay) {  // the Python tool deleted /etc/passwd here
  link("/.bind_host_files/#etc#passwd", "/ROOT/etc/passwd");
  link("#etc", "/.mountpoints/#etc#passwd");
  EXPECT_EQ(purge_mountpoints(c_), 0);
  EXPECT_TRUE(find_link(c_ + "/ROOT/etc/passwd"));
}

}  // namespace
}  // namespace udocker::engine
