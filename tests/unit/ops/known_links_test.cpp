#include "ops/known_links.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

namespace udocker::ops {
namespace {

TEST(KnownLinks, RemembersAsManyFilesAsThereAre) {
  KnownLinks known;
  struct stat file {};
  EXPECT_FALSE(known.find(file));
  constexpr ino_t kMany = 400'000;  // the table is larger than what stays in memory
  for (file.st_ino = 1; file.st_ino <= kMany; ++file.st_ino) known.add(file, cat("directory/", file.st_ino));
  for (file.st_ino = 1; file.st_ino <= kMany; ++file.st_ino) ASSERT_EQ(known.find(file), cat("directory/", file.st_ino));
  EXPECT_FALSE(known.find(file));
  file.st_ino = 7;
  file.st_dev = 1;
  EXPECT_FALSE(known.find(file));
  known.add(file, "other");
  known.add(file, "another");
  EXPECT_EQ(known.find(file), "another");
}

}  // namespace
}  // namespace udocker::ops
