#include "elf/ld_cache.hpp"

#include "util/file.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

using namespace udocker;
using elf::LdCache;

TEST(LdCache, SortsNamesAsTheLoaderSearches) {
  EXPECT_GT(elf::compare_library_names("libx.so.10", "libx.so.9"), 0);
  EXPECT_LT(elf::compare_library_names("liba.so", "libb.so"), 0);
  EXPECT_EQ(elf::compare_library_names("libz.so.1", "libz.so.1"), 0);
  EXPECT_GT(elf::compare_library_names("lib1.so", "liba.so"), 0);
  EXPECT_LT(elf::compare_library_names("libz.so", "libz.so.1"), 0);
}

TEST(LdCache, KeepsWhatItReads) {
  LdCache cache;
  cache.hwcaps = {"x86-64-v2", "x86-64-v3"};
  cache.entries = {{"libb.so.1", "/usr/lib/libb.so.1", 0x303, 0, 0},
                   {"liba.so.2", "/usr/lib/glibc-hwcaps/x86-64-v3/liba.so.2", 0x303, 0, (std::uint64_t{1} << 62) | 1},
                   {"liba.so.2", "/usr/lib/liba.so.2", 0x303, 0, 0}};
  LdCache again = elf::parse_ld_cache(elf::format_ld_cache(cache));
  ASSERT_EQ(again.entries.size(), 3u);
  EXPECT_EQ(again.entries[0].name, "libb.so.1");
  EXPECT_EQ(again.entries[1].path, "/usr/lib/glibc-hwcaps/x86-64-v3/liba.so.2");
  EXPECT_EQ(again.entries[2].path, "/usr/lib/liba.so.2");
  EXPECT_EQ(again.hwcaps, cache.hwcaps);
  EXPECT_EQ(elf::format_ld_cache(again), elf::format_ld_cache(cache));
}

TEST(LdCache, ReadsNothingFromOtherBytes) {
  EXPECT_TRUE(elf::parse_ld_cache("").entries.empty());
  EXPECT_TRUE(elf::parse_ld_cache("ld.so-1.7.0").entries.empty());
  std::string cut = elf::format_ld_cache({{{"a", "/a", 3, 0, 0}, {"b", "/b", 3, 0, 0}}, {}});
  for (std::size_t size = 0; size < cut.size(); ++size) elf::parse_ld_cache(std::string_view(cut).substr(0, size));
}

TEST(LdCache, IsReadByTheHostsLdconfig) {
  if (!path_exists("/sbin/ldconfig") || !path_exists("/etc/ld.so.cache")) GTEST_SKIP() << "no ldconfig here";
  LdCache cache = elf::parse_ld_cache(load_file("/etc/ld.so.cache"));
  ASSERT_FALSE(cache.entries.empty());
  cache.entries.insert(cache.entries.begin(), {"libmade-up.so.7", "/opt/libmade-up.so.7", elf::ld_cache_flags("x86_64"), 0, 0});
  TempDir dir("/tmp");
  make_file(dir.path() + "/cache", elf::format_ld_cache(cache));
  auto sorted = [](std::string text) {
    auto lines = split(text, '\n');
    lines.erase(lines.begin());
    std::sort(lines.begin(), lines.end());
    return lines;
  };
  std::string before = run_captured({"/sbin/ldconfig", "-p"}).output, after = run_captured({"/sbin/ldconfig", "-p", "-C", dir.path() + "/cache"}).output;
  auto with = sorted(before);
  for (const auto& line : sorted(after))
    if (line.find("libmade-up") != line.npos) with.push_back(line);
  std::sort(with.begin(), with.end());
  EXPECT_EQ(sorted(after), with);
  EXPECT_NE(after.find("libmade-up.so.7 (libc6,x86-64) => /opt/libmade-up.so.7"), after.npos);
}
