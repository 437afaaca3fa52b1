#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

TEST(Allocate, BlocksAreAlignedAndApart) {
  std::vector<std::pair<char*, std::size_t>> all;
  for (std::size_t size = 0; size < 5000; size += 7) {
    auto* block = static_cast<char*>(::operator new(size));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 16, 0u);
    std::memset(block, static_cast<int>(size & 0xff), size);
    all.emplace_back(block, size);
  }
  for (auto [block, size] : all) {
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(static_cast<unsigned char>(block[i]), size & 0xff);
    ::operator delete(block);
  }
}

TEST(Allocate, ThreadsDoNotShareABlock) {
  auto work = [](int seed) {
    std::vector<std::string> texts(64);
    for (int i = 0; i < 20000; ++i) {
      auto& text = texts[static_cast<std::size_t>(i * 31 + seed) % texts.size()];
      for (char c : text) ASSERT_EQ(c, static_cast<char>('a' + seed));
      text = std::string(static_cast<std::size_t>((i * 7 + seed) % 300), static_cast<char>('a' + seed));
    }
  };
  std::vector<std::thread> threads;
  for (int seed = 0; seed < 4; ++seed) threads.emplace_back(work, seed);
  for (auto& thread : threads) thread.join();
}

}  // namespace
