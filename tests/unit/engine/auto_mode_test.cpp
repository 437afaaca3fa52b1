#include "engine/auto_mode.hpp"

#include "host/blob.hpp"
#include "host/self.hpp"
#include "util/file.hpp"

#include <gtest/gtest.h>

namespace udocker::engine {
namespace {

std::vector<host::Probe> all_but(std::vector<host::Ability> missing) {
  std::vector<host::Probe> probes;
  for (int i = 0; i < host::kAbilities; ++i) {
    host::Probe probe{static_cast<host::Ability>(i), true, ""};
    for (auto ability : missing)
      if (probe.ability == ability) probe.works = false;
    probes.push_back(probe);
  }
  return probes;
}

TEST(AutoMode, TakesTheFastestThatWorks) {
  if (host::blob::trap_runtime().empty()) GTEST_SKIP() << "this build has no trap engine";
  using host::Ability;
  EXPECT_EQ(best_mode(judge_modes(all_but({}), false)), Mode::R1);
  EXPECT_EQ(best_mode(judge_modes(all_but({Ability::user_namespace}), false)), Mode::T1);
  EXPECT_EQ(best_mode(judge_modes(all_but({Ability::mount_namespace, Ability::seccomp_trap}), false)), Mode::P1);
  EXPECT_EQ(best_mode(judge_modes(all_but({Ability::user_namespace, Ability::seccomp_filter, Ability::seccomp_trap, Ability::seccomp_trace}), false)), Mode::P2);
  EXPECT_EQ(best_mode(judge_modes(all_but({Ability::user_namespace, Ability::seccomp_filter, Ability::seccomp_trap, Ability::ptrace}), false)), Mode::F1);
}
TEST(AutoMode, NamesWhatIsMissing) {
  for (const auto& report : judge_modes(all_but({host::Ability::ptrace}), false))
    EXPECT_EQ(report.works, report.lacks.empty()) << mode_name(report.mode) << report.lacks;
}
TEST(AutoMode, TrapEngineNeedsSomePlaceForItsFile) {
  if (host::blob::trap_runtime().empty()) GTEST_SKIP() << "this build has no trap engine";
  using host::Ability;
  auto report = [](std::vector<Ability> missing, Mode mode) {
    for (auto& each : judge_modes(all_but(missing), false))
      if (each.mode == mode) return each;
    return ModeReport{};
  };
  EXPECT_EQ(report({}, Mode::T1).note.empty(), host::kTrapPatches);
  EXPECT_NE(report({Ability::own_files}, Mode::T1).note, "");
  EXPECT_EQ(report({Ability::own_files}, Mode::T2).note, "");
  EXPECT_TRUE(report({Ability::memory_exec}, Mode::T1).works);
  EXPECT_FALSE(report({Ability::memory_exec, Ability::own_files}, Mode::T2).works);
  EXPECT_FALSE(report({Ability::high_addresses}, Mode::T1).works);
}
TEST(AutoMode, CacheServesTheSameHostAndBrokenCachesDoNoHarm) {
  TempDir dir("/tmp", "probes");
  std::string folder = dir.path() + "/sub", file = folder + "/probes.json";
  auto first = cached_probes(folder);
  EXPECT_TRUE(path_exists(file));
  auto second = cached_probes(folder);
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].works, second[i].works);
  make_file(file, "{ broken");
  EXPECT_EQ(cached_probes(folder).size(), first.size());
}
TEST(Modes, NamesRoundTrip) {
  for (auto name : {"P1", "P2", "T1", "T2", "F1", "F2", "F3", "F4", "R1", "R2", "R3", "S1"}) EXPECT_EQ(mode_name(find_mode(name).value()), name);
  EXPECT_EQ(find_mode("f3"), Mode::F3);
  for (auto name : {"", "P3", "P", "P11", "X1"}) EXPECT_FALSE(find_mode(name));
}

}  // namespace
}  // namespace udocker::engine
