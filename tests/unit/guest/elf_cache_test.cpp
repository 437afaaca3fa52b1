#include "guest/elf_cache.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace udocker::guest {
namespace {

ContentKey key_of(uint64_t inode, int64_t changed) {
  sys::Stat stat{};
  stat.dev = 1, stat.ino = inode, stat.size = 100, stat.ctime = changed;
  return ContentKey(stat);
}

ElfFacts facts_of(const char* interpreter) {
  ElfFacts facts{};
  facts.is_64 = facts.has_interpreter = true;
  facts.entry = 0x1234;
  std::strcpy(facts.interpreter, interpreter);
  return facts;
}

TEST(ElfCache, GivesWhatWasKeptForTheSameContentOnly) {
  auto cache = std::make_unique<ElfCache>();
  ElfFacts out{};
  EXPECT_FALSE(find_elf(cache.get(), key_of(7, 1), out));
  keep_elf(cache.get(), key_of(7, 1), facts_of("/lib/ld.so"));
  ASSERT_TRUE(find_elf(cache.get(), key_of(7, 1), out));
  EXPECT_EQ(out.entry, 0x1234u);
  EXPECT_STREQ(out.interpreter, "/lib/ld.so");
  EXPECT_FALSE(find_elf(cache.get(), key_of(7, 2), out));
  EXPECT_FALSE(find_elf(nullptr, key_of(7, 1), out));
}
TEST(ElfCache, LeavesLongInterpretersOut) {
  auto cache = std::make_unique<ElfCache>();
  ElfFacts out{};
  keep_elf(cache.get(), key_of(8, 1), facts_of(std::string(kElfInterpreter, 'x').c_str()));
  EXPECT_FALSE(find_elf(cache.get(), key_of(8, 1), out));
}
TEST(Paths, HashAndCopyWorkByWords) {
  constexpr uint64_t known = hash_text("/usr/lib/x86_64-linux-gnu");
  std::string text = "/usr/lib/x86_64-linux-gnu";
  EXPECT_EQ(hash_text({text.data(), text.size()}), known);
  EXPECT_NE(hash_text("abcdefgh"), hash_text("abcdefg"));
  for (size_t size = 0; size < 40; ++size) {
    std::string from(size, 'x'), to(size + 1, '.');
    for (size_t i = 0; i < size; ++i) from[i] = static_cast<char>('a' + i % 26);
    copy_bytes(to.data(), from.data(), size);
    EXPECT_EQ(to, from + ".");
  }
}

}  // namespace
}  // namespace udocker::guest
