#include "guest/owners.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace udocker::guest {
namespace {

struct OwnersTest : ::testing::Test {
  OwnersTest() {
    std::string name = (std::filesystem::temp_directory_path() / "owners-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    directory = name;
    root = name + "/ROOT";
    path = name + "/owners";
    std::filesystem::create_directory(root);
  }
  ~OwnersTest() override { std::filesystem::remove_all(directory); }
  std::string file(const std::string& name) {
    std::string full = root + "/" + name;
    ::close(::open(full.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    return full;
  }
  std::string directory, root, path;
};

TEST_F(OwnersTest, RemembersOverRuns) {
  std::string name = file("f");
  {
    Owners owners;
    ASSERT_EQ(owners.open(path.c_str(), root.c_str(), Owners::Mode::read_write), 0);
    FileKey key;
    ASSERT_EQ(owners.key_of(AT_FDCWD, name.c_str(), key), 0);
    EXPECT_EQ(owners.set(key, {5, 6, 0104755, 0}), 0);
    EXPECT_EQ(owners.count(), 1u);
  }
  Owners again;
  ASSERT_EQ(again.open(path.c_str(), root.c_str(), Owners::Mode::read_only), 0);
  FileKey key;
  ASSERT_EQ(again.key_of(AT_FDCWD, name.c_str(), key), 0);
  Owner owner;
  ASSERT_TRUE(again.find(key, owner));
  EXPECT_EQ(owner.uid, 5u);
  EXPECT_EQ(owner.gid, 6u);
  EXPECT_EQ(owner.mode, 0104755u);
  EXPECT_EQ(again.set(key, owner), -EROFS);
}

TEST_F(OwnersTest, IsNotThereForReadersBeforeItIsMade) {
  Owners owners;
  EXPECT_EQ(owners.open(path.c_str(), root.c_str(), Owners::Mode::read_only), -ENOENT);
}

TEST_F(OwnersTest, KnowsACopiedTree) {
  {
    Owners owners;
    ASSERT_EQ(owners.open(path.c_str(), root.c_str(), Owners::Mode::read_write), 0);
    owners.set({0, 77, 0}, {1, 2, 0, 0});
  }
  std::filesystem::rename(root, root + ".old");
  std::filesystem::create_directory(root);
  Owners owners;
  ASSERT_EQ(owners.open(path.c_str(), root.c_str(), Owners::Mode::read_write), 0);
  EXPECT_TRUE(owners.empty());
  EXPECT_TRUE(std::filesystem::exists(path + ".stale"));
}

TEST_F(OwnersTest, TellsReusedInodes) {
  Owners owners;
  ASSERT_EQ(owners.open(path.c_str(), root.c_str(), Owners::Mode::read_write), 0);
  owners.set({0, 99, 1111}, {1, 2, 0, 0});
  Owner owner;
  EXPECT_FALSE(owners.find({0, 99, 2222}, owner));
  EXPECT_TRUE(owners.find({0, 99, 0}, owner));
}

TEST_F(OwnersTest, GrowsAndIsShared) {
  Owners one, two;
  ASSERT_EQ(one.open(path.c_str(), root.c_str(), Owners::Mode::read_write), 0);
  ASSERT_EQ(two.open(path.c_str(), root.c_str(), Owners::Mode::read_write), 0);
  constexpr uint32_t kCount = 20000;
  auto fill = [](Owners& owners, uint32_t from) {
    for (uint32_t i = from; i < kCount; i += 2) ASSERT_EQ(owners.set({0, 1000 + i, 7}, {i, i + 1, 0, 0}), 0);
  };
  std::thread first([&] { fill(one, 0); }), second([&] { fill(two, 1); });
  first.join();
  second.join();
  for (uint32_t i = 0; i < kCount; ++i) {
    Owner owner;
    ASSERT_TRUE(one.find({0, 1000 + i, 7}, owner)) << i;
    ASSERT_EQ(owner.uid, i);
  }
  EXPECT_EQ(two.count(), kCount);
  size_t visited = 0;
  two.for_each([](void* context, const FileKey&, const Owner&) { ++*static_cast<size_t*>(context); }, &visited);
  EXPECT_EQ(visited, kCount);
  two.remove({0, 1000, 7});
  Owner owner;
  EXPECT_FALSE(one.find({0, 1000, 7}, owner));
}

TEST_F(OwnersTest, KeepsAttributes) {
  Owners owners;
  ASSERT_EQ(owners.open(path.c_str(), root.c_str(), Owners::Mode::read_write), 0);
  FileKey key{0, 5, 9};
  char value[16];
  EXPECT_EQ(owners.get_xattr(key, "security.capability", value, sizeof value), -ENODATA);
  EXPECT_EQ(owners.set_xattr(key, "security.capability", "abc", 3, 0), 0);
  EXPECT_EQ(owners.set_xattr(key, "security.capability", "abcd", 4, 0), 0);
  EXPECT_EQ(owners.get_xattr(key, "security.capability", value, sizeof value), 4);
  EXPECT_EQ(owners.get_xattr(key, "security.capability", value, 2), -ERANGE);
  char names[64];
  EXPECT_EQ(owners.list_xattr(key, names, sizeof names), 20);
  EXPECT_EQ(owners.remove_xattr(key, "security.capability"), 0);
  EXPECT_EQ(owners.remove_xattr(key, "security.capability"), -ENODATA);
}

}  // namespace
}  // namespace udocker::guest
