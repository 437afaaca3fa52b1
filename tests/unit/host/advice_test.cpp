#include "host/probes.hpp"

#include "util/file.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

using namespace udocker;

// The tests run where packaging/ is (the top of the tree, or its copy).
TEST(Advice, IsInTheTroubleshootingTable) {
  std::string page = load_file("packaging/doc/troubleshooting.md");
  for (const auto& probe : host::probe_all("/tmp")) {
    std::string advice = host::advice(probe.ability);
    if (advice.empty()) continue;
    EXPECT_NE(page.find(cat("| ", probe.name, " | ", advice, " |")), page.npos) << probe.name << ": " << advice;
  }
}
