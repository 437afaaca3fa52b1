#include "oci/platform.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

namespace udocker::oci {
namespace {

TEST(Platform, ParsesAndNormalises) {
  EXPECT_EQ(parse_platform("Linux/AMD64").text(), "linux/amd64");
  EXPECT_EQ(parse_platform("linux/x86_64").text(), "linux/amd64");
  EXPECT_EQ(parse_platform("linux/armhf").text(), "linux/arm/v7");
  EXPECT_EQ(parse_platform("linux").text(), "linux");
  EXPECT_EQ(normalised({"linux", "arm64", "v8"}).text(), "linux/arm64");
  EXPECT_EQ(normalised({"linux", "arm", "7"}).text(), "linux/arm/v7");
  for (const char* bad : {"", "/", "linux/", "a/b/c/d", "linux//v7", "li nux", "linux/amd64\n/x"})
    EXPECT_THROW(parse_platform(bad), UsageError) << bad;
}

TEST(Platform, KnowsMachines) {
  EXPECT_EQ(platform_of_machine("x86_64").text(), "linux/amd64");
  EXPECT_EQ(platform_of_machine("i686").text(), "linux/386");
  EXPECT_EQ(platform_of_machine("aarch64").text(), "linux/arm64");
  EXPECT_EQ(platform_of_machine("armv7l").text(), "linux/arm/v7");
  EXPECT_EQ(platform_of_machine("riscv64").text(), "linux/riscv64");
  EXPECT_FALSE(host_platform().architecture.empty());
}

TEST(Platform, KnowsTheVariantByTheFlagsOfTheKernel) {
  const std::string none = "processor\t: 0\nflags\t\t: fpu sse sse2\nbugs\t\t: sse4_2 ssse3 popcnt\n";
  EXPECT_EQ(amd64_variant(none), "");
  EXPECT_EQ(amd64_variant(""), "");
  auto with = [](const char* flags) { return amd64_variant(std::string("processor\t: 0\nflags\t\t: fpu ") + flags + "\n\nprocessor\t: 1\nflags\t\t: \n"); };
  EXPECT_EQ(with("ssse3 sse4_2 popcnt"), "v2");
  EXPECT_EQ(with("ssse3 sse4_2 popcnt avx2 bmi2"), "v2");
  EXPECT_EQ(with("ssse3 sse4_2 popcnt fma avx2 bmi2"), "v3");
  EXPECT_EQ(with("fma avx2 bmi2"), "");
  EXPECT_EQ(with("ssse3 sse4_2 popcnt fma avx2 bmi2 avx512f avx512bw avx512vl"), "v4");
}

int rank(const char* wanted, Platform entry) {
  auto patterns = acceptable_platforms(parse_platform(wanted));
  for (std::size_t i = 0; i < patterns.size(); ++i)
    if (matches(patterns[i], entry)) return static_cast<int>(i);
  return -1;
}

TEST(Platform, PrefersExactThenLowerVariants) {
  EXPECT_EQ(rank("linux/amd64/v3", {"linux", "amd64", "v3"}), 0);
  EXPECT_EQ(rank("linux/amd64/v3", {"linux", "amd64", "v2"}), 1);
  EXPECT_EQ(rank("linux/amd64/v3", {"linux", "amd64", ""}), 2);
  EXPECT_EQ(rank("linux/amd64/v3", {"linux", "amd64", "v4"}), -1);
  EXPECT_EQ(rank("linux/arm64", {"linux", "arm64", "v8"}), 0);
  EXPECT_LT(rank("linux/arm", {"linux", "arm", "v7"}), rank("linux/arm", {"linux", "arm", "v6"}));
  EXPECT_GE(rank("linux/arm/v6", {"linux", "arm", ""}), 0);
  EXPECT_EQ(rank("linux/arm/v6", {"linux", "arm", "v7"}), -1);
  EXPECT_EQ(rank("linux/amd64", {"windows", "amd64", ""}), -1);
  EXPECT_EQ(rank("linux", {"linux", "s390x", ""}), 0);
}

}  // namespace
}  // namespace udocker::oci
