#include "archive/tar.hpp"
#include "guest/owners.hpp"
#include "ops/clone_archive.hpp"
#include "ops/tree_copy.hpp"
#include "ops/tree_walk.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

class Recorder : public TreeVisitor {
 public:
  bool enter(const WalkEntry& entry) override {
    seen += cat("(", entry.path, " ");
    return true;
  }
  void leave(const WalkEntry&) override { seen += ") "; }
  void visit(const WalkEntry& entry) override { seen += cat(entry.path, " "); }
  std::string seen;
};

class Text : public archive::Output {
 public:
  void write(std::string_view bytes) override { all += bytes; }
  std::string all;
};

void add(archive::TarWriter& tar, archive::Entry::Type type, const std::string& path, const std::string& link = {}) {
  archive::Entry entry;
  entry.type = type;
  entry.path = path;
  entry.link = link;
  entry.mode = 0755;
  tar.add(entry);
}

std::vector<std::string> paths_in(archive::Input& input) {
  archive::TarReader reader(input, "x");
  archive::Entry entry;
  std::vector<std::string> found;
  while (reader.next(entry)) found.push_back(entry.link.empty() ? entry.path : cat(entry.path, " -> ", entry.link));
  return found;
}

}  // namespace

class Trees : public ::testing::Test {
 protected:
  TempDir dir_{::testing::TempDir(), "trees"};
  std::string at(const std::string& path) const { return cat(dir_.path(), "/", path); }
};

TEST_F(Trees, AreWalkedInOrderAndNotThroughLinks) {
  make_directories(at("t/b/c"));
  make_file(at("t/b/c/f"), "");
  make_file(at("t/a"), "");
  ASSERT_EQ(::symlink("b", at("t/l").c_str()), 0);
  Recorder recorder;
  walk_tree(at("t"), WalkOrder::sorted, recorder);
  EXPECT_EQ(recorder.seen, "( a (b (b/c b/c/f ) ) l ) ");
  EXPECT_THROW(walk_tree(at("none"), WalkOrder::sorted, recorder), SystemError);
}

// More names than are held at once: each is seen once.
TEST_F(Trees, WithManyLongNamesInADirectoryAreWalkedWhole) {
  class Counter : public TreeVisitor {
   public:
    bool enter(const WalkEntry&) override { return true; }
    void leave(const WalkEntry&) override {}
    void visit(const WalkEntry& entry) override { names.insert(entry.name), ++visits; }
    std::set<std::string> names;
    std::size_t visits = 0;
  };
  constexpr std::size_t kMany = 36'000;
  make_directories(at("t"));
  make_file(at("t/0"), "");
  const std::string tail(245, 'n');
  UniqueFd dir = open_fd(at("t"), O_RDONLY | O_DIRECTORY);
  for (std::size_t i = 1; i < kMany; ++i) ASSERT_EQ(::mknodat(dir.get(), cat(i, tail).c_str(), S_IFREG | 0644, 0), 0);
  for (auto order : {WalkOrder::sorted, WalkOrder::as_found}) {
    Counter counter;
    walk_tree(at("t"), order, counter);
    EXPECT_EQ(counter.visits, kMany);
    EXPECT_EQ(counter.names.size(), kMany);
  }
}

TEST_F(Trees, WithManyLevelsAreWalkedAndCopied) {
  std::string path = at("c/ROOT");
  make_directories(path);
  for (int i = 0; i < 300; ++i) path += "/d";
  make_directories(path);
  make_file(path + "/f", "deep");
  make_directories(at("n/ROOT"));
  Progress progress("copy");
  EXPECT_EQ(copy_container_tree(at("c"), at("n"), progress, [] {}).files, 1u);
  EXPECT_EQ(load_file(at("n") + path.substr(at("c").size()) + "/f"), "deep");
}

TEST_F(Trees, KeepOwnersInTheCopysOwnStore) {
  make_directories(at("c/ROOT/sub"));
  make_file(at("c/ROOT/sub/f"), "x");
  make_directories(at("n/ROOT"));
  {
    guest::Owners owners;
    ASSERT_EQ(owners.open(at("c/owners").c_str(), at("c/ROOT").c_str(), guest::Owners::Mode::read_write), 0);
    guest::FileKey key;
    for (const char* name : {"c/ROOT/sub/f", "c/ROOT/sub", "c/ROOT"}) {
      ASSERT_EQ(owners.key_of(AT_FDCWD, at(name).c_str(), key), 0);
      ASSERT_EQ(owners.set(key, {7, 8, 0, 0}), 0);
    }
    ASSERT_EQ(owners.key_of(AT_FDCWD, at("c/ROOT/sub/f").c_str(), key), 0);
    guest::Text name("security.capability", 19);
    ASSERT_EQ(owners.set_xattr(key, name, "cap", 3, 0), 0);
  }
  Progress progress("copy");
  copy_container_tree(at("c"), at("n"), progress, [] {});
  guest::Owners owners;
  ASSERT_EQ(owners.open(at("n/owners").c_str(), at("n/ROOT").c_str(), guest::Owners::Mode::read_only), 0);
  EXPECT_EQ(owners.count(), 3u);
  guest::FileKey key;
  guest::Owner owner;
  ASSERT_EQ(owners.key_of(AT_FDCWD, at("n/ROOT/sub/f").c_str(), key), 0);
  ASSERT_TRUE(owners.find(key, owner));
  EXPECT_EQ(owner.uid, 7u);
  char value[8];
  guest::Text name("security.capability", 19);
  EXPECT_EQ(owners.get_xattr(key, name, value, sizeof value), 3);
}

TEST_F(Trees, CloneArchivesAreSplitIntoRootAndFilesBeside) {
  Text out;
  archive::TarWriter tar(out);
  using Type = archive::Entry::Type;
  add(tar, Type::directory, "./");
  tar.add_file("./container.json", "{}");
  add(tar, Type::directory, "./ROOT/");
  tar.add_file("./ROOT/a", "content of a");
  add(tar, Type::hard_link, "./ROOT/b", "./ROOT/a");
  add(tar, Type::symbolic_link, "./.mountpoints/#data", "#");
  tar.add_file("./owners", "another's");
  tar.finish();
  bool is_clone = false;
  auto root = read_clone_archive(std::make_unique<archive::TextInput>(out.all), "x", dir_.path(), is_clone);
  EXPECT_EQ(paths_in(*root), (std::vector<std::string>{"./", "./a", "./b -> ./a"}));
  EXPECT_TRUE(is_clone);
  EXPECT_EQ(load_file(at("container.json")), "{}");
  EXPECT_EQ(find_link(at(".mountpoints/#data")), "#");
  EXPECT_FALSE(path_exists(at("owners")));
}

TEST_F(Trees, PlainArchivesArePassedOn) {
  Text out;
  archive::TarWriter tar(out);
  tar.add_file("./etc/passwd", "root");
  tar.add_file("./ROOT", "");
  tar.finish();
  bool is_clone = true;
  auto root = read_clone_archive(std::make_unique<archive::TextInput>(out.all), "x", dir_.path(), is_clone);
  EXPECT_EQ(paths_in(*root), (std::vector<std::string>{"./etc/passwd", "./ROOT"}));
  EXPECT_FALSE(is_clone);
}

TEST_F(Trees, CloneArchivesCannotLeaveTheContainer) {
  for (int kind = 0; kind < 2; ++kind) {
    Text out;
    archive::TarWriter tar(out);
    tar.add_file("./container.json", "{}");
    if (kind == 0) {
      add(tar, archive::Entry::Type::symbolic_link, "./up", "..");
      tar.add_file("./up/escaped", "x");
    } else {
      add(tar, archive::Entry::Type::hard_link, "./ROOT/x", "./container.json");
    }
    tar.finish();
    make_directories(at("in"));
    bool is_clone = false;
    auto root = read_clone_archive(std::make_unique<archive::TextInput>(out.all), "x", at("in"), is_clone);
    EXPECT_THROW(paths_in(*root), Error);
    EXPECT_FALSE(path_exists(at("escaped")));
  }
}

}  // namespace udocker::ops
