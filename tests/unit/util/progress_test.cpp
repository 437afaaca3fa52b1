#include "util/progress.hpp"

#include <gtest/gtest.h>

namespace udocker {

TEST(Progress, ShowsBytesShareAndRate) {
  EXPECT_EQ(progress_line("loading x", 5'000'000, 10'000'000, 0, 2), "loading x  5.00MB of 10.0MB  49%  2.50MB/s");
  EXPECT_EQ(progress_line("copying", 1'000, {}, 12, 0.1), "copying  1.00kB  12 files");
}

TEST(Progress, NeverPassesHundredPercent) { EXPECT_NE(progress_line("x", 500, 100, 0, 0).find("100%"), std::string::npos); }

}  // namespace udocker
