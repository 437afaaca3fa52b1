#include "host/probes.hpp"

#include "util/file.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

using namespace udocker;

// The tests run where packaging/ is (the top of the tree, or its copy).
TEST(Advice, IsInTheTroubleshootingTable) {
  std::string page = load_file("packaging/doc/troubleshooting.md");
  for (int i = 0; i < host::kAbilities; ++i) {
    auto ability = static_cast<host::Ability>(i);
    std::string advice = host::advice(ability);
    if (advice.empty()) continue;
    EXPECT_NE(page.find(cat("| ", host::ability_name(ability), " | ", advice, " |")), page.npos) << host::ability_name(ability) << ": " << advice;
  }
}
