#include "store/intake.hpp"
#include "store/repository.hpp"
#include "util/file.hpp"

#include <gtest/gtest.h>

namespace udocker::store {

class Intakes : public ::testing::Test {
 protected:
  TempDir dir_{::testing::TempDir(), "intake"};
  Repository repository_ = Repository::create(Directories::below(dir_.path() + "/top"));
};

TEST_F(Intakes, KeepsBytesUnderTheirDigest) {
  Intake intake(repository_.directories());
  intake.append("hel");
  intake.append("lo");
  intake.keep();
  EXPECT_EQ(intake.digest(), "sha256:" + sha256_hex("hello"));
  EXPECT_EQ(intake.size(), 5u);
  EXPECT_EQ(load_file(repository_.blobs().path(intake.digest())), "hello");
}

TEST_F(Intakes, LeavesNothingWhenDropped) {
  { Intake(repository_.directories()).append("x"); }
  EXPECT_TRUE(list_directory(repository_.directories().layers).empty());
}

TEST_F(Intakes, IsNotPrunedWhileItLives) {
  Intake intake(repository_.directories());
  intake.append("x");
  repository_.images().prune();
  intake.keep();
  repository_.images().prune();
  EXPECT_TRUE(repository_.blobs().has(intake.digest()));
}

TEST_F(Intakes, LeavesBlobThatIsThere) {
  repository_.blobs().put("sha256:" + sha256_hex("same"), "same");
  {
    Intake intake(repository_.directories());
    intake.append("same");
    intake.keep();
  }
  EXPECT_EQ(list_directory(repository_.directories().layers), std::vector<std::string>{"sha256:" + sha256_hex("same")});
}

}  // namespace udocker::store
