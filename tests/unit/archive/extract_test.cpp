#include "archive/apply.hpp"
#include "layers.hpp"
#include "util/error.hpp"

#include <gtest/gtest.h>

#include <random>

#include <fcntl.h>
#include <unistd.h>

namespace udocker::archive {
namespace {

using Type = Entry::Type;

struct Apply : testing::Test {
  TempDir place{testing::TempDir(), "apply"};
  int count = 0;

  std::string fresh() {
    std::string root = cat(place.path(), "/", count++);
    make_directories(root);
    return root;
  }
  // Applies by the public function, and checks that both ways agree.
  std::string apply(std::vector<LayerMaker*> makers, ApplyOptions options = {}) {
    std::vector<Layer> layers;
    for (auto* maker : makers) layers.push_back(maker->layer());
    std::string root = fresh(), general = fresh();
    apply_layers(root, layers, options);
    ApplyOptions plain = options;
    plain.owners.clear();
    apply_bottom_up(general, layers, plain);
    EXPECT_EQ(describe(root), describe(general));
    outside();
    return root;
  }
  void outside() { EXPECT_FALSE(path_exists(place.path() + "/evil")); }
  bool is_there(const std::string& path) {
    struct stat st;
    return ::lstat(path.c_str(), &st) == 0;
  }
};

TEST_F(Apply, WhiteoutsOnAllLevelsAlsoAtTheRoot) {
  LayerMaker one, two;
  one.file("top").dir("a").file("a/x").file("a/y").dir("b").file("b/z").file("kept");
  two.file(".wh.top").file("a/.wh.x").file(".wh.b");
  std::string root = apply({&one, &two});
  EXPECT_FALSE(is_there(root + "/top"));
  EXPECT_FALSE(is_there(root + "/a/x"));
  EXPECT_TRUE(is_there(root + "/a/y"));
  EXPECT_FALSE(is_there(root + "/b"));
  EXPECT_TRUE(is_there(root + "/kept"));
  EXPECT_EQ(list_directory(root), (std::vector<std::string>{"a", "kept"}));
}

TEST_F(Apply, OpaqueDirectoriesInAnyOrder) {
  for (bool first : {true, false}) {
    LayerMaker one, two;
    one.dir("d").file("d/old").dir("d/sub").file("d/sub/old");
    if (first) two.file("d/.wh..wh..opq");
    two.dir("d").file("d/new").dir("d/sub").file("d/sub/new");
    if (!first) two.file("d/.wh..wh..opq");
    std::string root = apply({&one, &two});
    EXPECT_EQ(list_directory(root + "/d"), (std::vector<std::string>{"new", "sub"}));
    EXPECT_EQ(list_directory(root + "/d/sub"), std::vector<std::string>{"new"});
  }
}

TEST_F(Apply, WhiteoutsSpareTheirOwnLayer) {
  LayerMaker one, two, three;
  one.file("f", "one").dir("d").file("d/low");
  two.file("f", "two").file(".wh.f").dir("d").file("d/mid").file(".wh.d");
  three.file("g");
  std::string root = apply({&one, &two, &three});
  EXPECT_EQ(load_file(root + "/f"), "two");
  EXPECT_EQ(list_directory(root + "/d"), std::vector<std::string>{"mid"});
}

TEST_F(Apply, UpperLayersReplaceWhateverIsBelow) {
  LayerMaker one, two;
  one.dir("d").file("d/in").file("f").symlink("l", "d").file("plain", "old");
  two.file("d", "now a file").dir("f").file("f/in").dir("l").file("l/in").file("plain", "new");
  std::string root = apply({&one, &two});
  EXPECT_EQ(load_file(root + "/d"), "now a file");
  EXPECT_TRUE(is_there(root + "/f/in"));
  EXPECT_TRUE(is_there(root + "/l/in"));
  EXPECT_EQ(load_file(root + "/plain"), "new");
}

TEST_F(Apply, ReplacedFilesAreNotWritten) {
  LayerMaker one, two;
  one.file("a", std::string(100000, 'x')).file("b").dir("gone").file("gone/c");
  two.file("a", "y").file(".wh.gone");
  std::vector<Layer> layers{one.layer(), two.layer()};
  auto result = apply_layers(fresh(), layers);
  EXPECT_EQ(result.skipped, 3u);
}

TEST_F(Apply, PathsThroughLinksStayInside) {
  LayerMaker one, two;
  one.dir("usr").dir("usr/lib").symlink("lib", "usr/lib").symlink("abs", "/usr/lib").symlink("up", "../../../../../..");
  two.file("lib/a").file("abs/b").file("up/c");
  std::string root = apply({&one, &two});
  EXPECT_EQ(list_directory(root + "/usr/lib"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(is_there(root + "/c"));
}

TEST_F(Apply, HardLinksAcrossLayers) {
  LayerMaker one, two, three;
  one.file("a", "content").file("b", "other");
  two.hard("link", "a").hard("own", "./b");
  three.file("a", "changed");
  std::string root = apply({&one, &two, &three});
  EXPECT_EQ(load_file(root + "/link"), "content");
  EXPECT_EQ(load_file(root + "/a"), "changed");
  EXPECT_EQ(load_file(root + "/own"), "other");
}

TEST_F(Apply, NothingLeavesTheRoot) {
  std::string evil = place.path() + "/evil";
  auto attack = [&](auto fill) {
    LayerMaker maker;
    fill(maker);
    std::string root = fresh();
    try {
      apply_layers(root, {maker.layer()});
    } catch (const Error&) {
    }
    EXPECT_FALSE(is_there(evil));
    EXPECT_FALSE(is_there("/evil-of-udocker-test"));
  };
  attack([&](LayerMaker& m) { m.file("../evil"); });
  attack([&](LayerMaker& m) { m.file("../../../../../../../../evil-of-udocker-test"); });
  attack([&](LayerMaker& m) { m.file("/evil-of-udocker-test"); });
  attack([&](LayerMaker& m) { m.file("a/../../evil"); });
  attack([&](LayerMaker& m) { m.symlink("x", place.path()).file("x/evil"); });
  attack([&](LayerMaker& m) { m.symlink("x", "..").file("x/evil"); });
  attack([&](LayerMaker& m) { m.symlink("x", evil).file("x"); });
  attack([&](LayerMaker& m) { m.symlink("x", "../evil").hard("y", "x").file("y"); });
  attack([&](LayerMaker& m) { m.hard("y", "/etc/passwd"); });
  attack([&](LayerMaker& m) { m.hard("y", "../../../../etc/passwd").file("y", "evil"); });
  attack([&](LayerMaker& m) { m.symlink("s", "/etc").hard("p", "s/passwd"); });
  attack([&](LayerMaker& m) { m.dir("d").symlink("d", place.path()).dir("d").file("d/evil"); });
  attack([&](LayerMaker& m) { m.symlink("d", place.path()).file("d/.wh.0"); });
  attack([&](LayerMaker& m) { m.file(".wh..."); });
  attack([&](LayerMaker& m) { m.file("a/.wh...").file("a/.wh.."); });
  attack([&](LayerMaker& m) { m.symlink(".", place.path()).file("evil2"); });
  EXPECT_TRUE(is_there(place.path() + "/0"));
}

TEST_F(Apply, LinksInACircleEnd) {
  LayerMaker maker;
  maker.symlink("a", "b").symlink("b", "a").file("a/x");
  EXPECT_THROW(apply_layers(fresh(), {maker.layer()}), Error);
}

TEST_F(Apply, OddNamesAndTypesOverEachOther) {
  LayerMaker maker;
  maker.file("new\nline").file("\xff\xfe").file(std::string(255, 'n')).file("f", "1").file("f", "2").dir("f").file("f/in").file("./s//t/./u");
  std::string root = apply({&maker});
  EXPECT_TRUE(is_there(root + "/new\nline"));
  EXPECT_TRUE(is_there(root + "/f/in"));
  EXPECT_TRUE(is_there(root + "/s/t/u"));
}

TEST_F(Apply, UserCanReadAndEnterEverything) {
  LayerMaker maker;
  Entry entry;
  entry.path = "secret";
  entry.mode = 01;
  maker.add(entry, "s");
  entry.path = "suid";
  entry.mode = 06755;
  maker.add(entry, "s");
  entry.type = Type::directory;
  entry.path = "closed";
  entry.mode = 01555;
  maker.add(entry).file("closed/in");
  entry.type = Type::fifo;
  entry.path = "fifo";
  maker.add(entry);
  std::string root = apply({&maker});
  auto mode = [&](const char* name) {
    struct stat st {};
    ::lstat(cat(root, "/", name).c_str(), &st);
    return st.st_mode & 07777;
  };
  EXPECT_EQ(mode("secret") & 0700, 0600u);
  EXPECT_EQ(mode("suid") & 06000, 0u);
  EXPECT_EQ(mode("closed") & 01700, 0700u);
}

TEST_F(Apply, OwnersModesAndDevicesGoToTheSideStore) {
  LayerMaker maker;
  Entry entry;
  entry.path = "suid";
  entry.mode = 04755;
  maker.add(entry, "s");
  entry.path = "owned";
  entry.mode = 0644;
  entry.uid = 33;
  entry.gid = 44;
  entry.xattrs["security.capability"] = "caps";
  maker.add(entry, "s");
  entry = Entry();
  entry.type = Type::character_device;
  entry.path = "opt/dev/null";
  entry.mode = 0666;
  entry.major = 1;
  entry.minor = 3;
  maker.add(entry);
  entry.path = "dev/null";
  maker.add(entry);
  ApplyOptions options;
  options.owners = place.path() + "/owners";
  std::string root = fresh();
  apply_layers(root, {maker.layer()}, options);
  guest::Owners owners;
  ASSERT_EQ(owners.open(options.owners.c_str(), root.c_str(), guest::Owners::Mode::read_only), 0);
  auto find = [&](const std::string& path) {
    guest::FileKey key;
    guest::Owner owner;
    EXPECT_EQ(owners.key_of(AT_FDCWD, cat(root, path).c_str(), key), 0);
    EXPECT_TRUE(owners.find(key, owner)) << path;
    return owner;
  };
  EXPECT_EQ(find("/suid").mode & 07777, 04755u);
  EXPECT_EQ(find("/owned").uid, 33u);
  EXPECT_EQ(find("/owned").gid, 44u);
  EXPECT_TRUE(S_ISCHR(find("/opt/dev/null").mode));
  EXPECT_EQ(find("/opt/dev/null").rdev, 0x103u);
  EXPECT_FALSE(is_there(root + "/dev/null"));
  guest::FileKey key;
  owners.key_of(AT_FDCWD, (root + "/owned").c_str(), key);
  char value[8];
  EXPECT_EQ(owners.get_xattr(key, "security.capability", value, sizeof value), 4);
}

TEST_F(Apply, TimesOfDirectoriesAreThoseOfTheTopLayer) {
  LayerMaker one, two;
  one.dir("d").file("d/a");
  Entry entry;
  entry.type = Type::directory;
  entry.path = "d";
  entry.mtime = 1'500'000'000;
  two.add(entry).file("d/b");
  std::string root = apply({&one, &two});
  struct stat st;
  ASSERT_EQ(::stat((root + "/d").c_str(), &st), 0);
  EXPECT_EQ(st.st_mtime, 1'500'000'000);
  ASSERT_EQ(::stat((root + "/d/a").c_str(), &st), 0);
  EXPECT_EQ(st.st_mtime, 1'000'000'000);
}

TEST_F(Apply, LimitsAreNamed) {
  LayerMaker maker;
  maker.file("a", std::string(1000, 'x')).file("b", std::string(1000, 'x'));
  ApplyOptions options;
  options.limits.bytes = 1500;
  EXPECT_THROW(apply_layers(fresh(), {maker.layer()}, options), Error);
  options.limits = {0, 1};
  EXPECT_THROW(apply_layers(fresh(), {maker.layer()}, options), Error);
}

TEST_F(Apply, WrongDigestsAreRefused) {
  LayerMaker maker;
  maker.file("a");
  Layer layer = maker.layer();
  layer.diff_id = "sha256:" + std::string(64, '0');
  EXPECT_THROW(apply_layers(fresh(), {layer}), IntegrityError);
  std::swap(layer.diff_id, layer.digest);
  EXPECT_THROW(apply_layers(fresh(), {layer}), IntegrityError);
}

TEST_F(Apply, DeepAndLongPathsAreRefusedNotFollowed) {
  LayerMaker maker;
  std::string path;
  for (int i = 0; i < 3000; ++i) path += "d/";
  maker.file(path + "f");
  EXPECT_THROW(apply_layers(fresh(), {maker.layer()}), Error);
}

// Random layers over few names: both ways of applying must agree on every outcome.
TEST_F(Apply, BothWaysAgreeOnRandomLayers) {
  std::mt19937 random(12345);
  auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  int compared = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Layer> layers;
    std::string shown;
    for (int l = 0, n = 1 + pick(3); l < n; ++l) {
      LayerMaker maker;
      for (int e = 0, m = 1 + pick(7); e < m; ++e) {
        auto name = [&] { return std::string(1, static_cast<char>('a' + pick(3))); };
        std::string path = name();
        for (int d = pick(3); d > 0; --d) path += "/" + name();
        std::string directory = path.find('/') == path.npos ? "" : path.substr(0, path.rfind('/') + 1);
        int kind = pick(10);
        shown += cat("layer ", l, " kind ", kind, " ", path);
        if (kind < 3) maker.file(path, cat(round, l, e));
        else if (kind < 6) maker.dir(path);
        else if (kind == 6) maker.symlink(path, pick(2) ? name() : "/" + name()), shown += " (target)";
        else if (kind == 7) maker.file(cat(directory, ".wh.", name()), ""), shown += " whiteout";
        else if (kind == 8) maker.file(directory + ".wh..wh..opq", "");
        else { std::string to = name() + (pick(2) ? "" : "/" + name()); shown += " to " + to; maker.hard(path, to); }
        shown += "\n";
      }
      layers.push_back(maker.layer());
    }
    std::string fast = fresh(), general = fresh();
    bool fast_failed = false, general_failed = false;
    try {
      apply_top_down(fast, layers, {});
    } catch (const NeedsGeneral&) {
      continue;
    } catch (const Error&) {
      fast_failed = true;
    }
    try {
      apply_bottom_up(general, layers, {});
    } catch (const Error&) {
      general_failed = true;
    }
    if (fast_failed) { ASSERT_TRUE(general_failed) << shown; }
    if (general_failed) continue;  // such as a link to nothing that an upper layer removes anyway
    if (!fast_failed) { ASSERT_EQ(describe(fast), describe(general)) << shown; }
    ++compared;
  }
  EXPECT_GT(compared, 30);
}

}  // namespace
}  // namespace udocker::archive
