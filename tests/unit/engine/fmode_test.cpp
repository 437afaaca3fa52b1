#include "engine/fmode.hpp"

#include "elf/disk.hpp"
#include "elf/view.hpp"
#include "engine/fmode_parts.hpp"
#include "engine/fmode_undo.hpp"
#include "tests/unit/elf/sample.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <map>

#include <sys/stat.h>
#include <unistd.h>

namespace udocker::engine {
namespace {

void put_elf(const std::string& path, const elf::SampleOptions& options, mode_t mode = 0755) {
  const elf::Bytes bytes = elf::make_sample(options);
  make_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  ASSERT_EQ(::chmod(path.c_str(), mode), 0);
}

// A container with programs, libraries, links of all kinds and a loader.
class Fmode : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* d : {"/bin", "/lib", "/usr/lib/app", "/etc/alternatives", "/opt/ro"}) make_directories(root + d);
    elf::SampleOptions o;
    put_elf(root + "/bin/prog", o);
    put_elf(root + "/bin/readonly", o, 0555);
    o.rpath = "/usr/lib/app:$ORIGIN";
    put_elf(root + "/usr/lib/app/tool", o);
    o.with_interpreter = false;
    o.needed = {"/usr/lib/app/libx.so.1"};
    put_elf(root + "/usr/lib/app/libx.so.1", o, 0644);
    ASSERT_EQ(::link((root + "/bin/prog").c_str(), (root + "/bin/again").c_str()), 0);
    constexpr char kLoader[] = "\x7f" "ELF loader \0/etc/ld.so.cache\0/lib/x86\0/usr/lib\0LD_LIBRARY_PATH\0end";
    make_file(root + "/lib/ld.so", std::string(kLoader, sizeof kLoader - 1));
    make_file(root + "/bin/script", "#!/bin/sh\n# a script that is longer than an ELF header would have to be\n", 0755);
    link("/usr/lib/app/tool", "/etc/alternatives/tool");
    link("/etc/alternatives/tool", "/bin/tool");
    link("../usr/lib", "/lib64");
    link("/", "/opt/slash");
    link("/etc", "/opt/ro/inside");
    ASSERT_EQ(::chmod((root + "/opt/ro").c_str(), 0555), 0);
  }
  void TearDown() override { ::chmod((root + "/opt/ro").c_str(), 0755); }
  void link(const char* target, const std::string& path) { ASSERT_EQ(::symlink(target, (root + path).c_str()), 0); }

  // Everything a user could compare: names, types, modes, times, contents, targets.
  std::map<std::string, std::string> snapshot(const std::string& below = "") {
    std::map<std::string, std::string> all;
    for (const std::string& name : list_directory(root + below)) {
      const std::string path = below + "/" + name, host = root + path;
      struct stat st;
      EXPECT_EQ(::lstat(host.c_str(), &st), 0);
      std::string text = cat(st.st_mode, " ", st.st_mtim.tv_sec, ".", st.st_mtim.tv_nsec, " ");
      if (S_ISLNK(st.st_mode)) text += *find_link(host);
      else if (S_ISREG(st.st_mode)) text += load_file(host);
      all[path] = text;
      if (S_ISDIR(st.st_mode)) all.merge(snapshot(path));
    }
    return all;
  }
  std::string interpreter(const std::string& path) {
    const elf::Bytes bytes = elf::load_bytes(root + path);
    return std::string(*elf::View(bytes).interpreter());
  }

  TempDir dir{real_path(testing::TempDir())};
  std::string cdir = dir.path(), root = cdir + "/ROOT";
};

TEST_F(Fmode, WalksAllModesAndRestoresEveryByte) {
  const auto before = snapshot();
  Mode now = Mode::P1;
  for (const Mode next : {Mode::F1, Mode::F2, Mode::F3, Mode::F4, Mode::R1, Mode::F3, Mode::F1, Mode::F4, Mode::F2, Mode::P1}) {
    change_fmode(cdir, now, next);
    now = next;
    if (family_of(now) != Family::preload) {
      EXPECT_EQ(snapshot(), before) << mode_name(now);
    }
  }
}

TEST_F(Fmode, PutsRootIntoProgramsOnce) {
  change_fmode(cdir, Mode::P1, Mode::F3);
  EXPECT_EQ(interpreter("/bin/prog"), root + "//lib/ld.so");
  const elf::Bytes tool = elf::load_bytes(root + "/usr/lib/app/tool");
  EXPECT_EQ(elf::View(tool).rpath(), root + "//usr/lib/app:$ORIGIN");
  const auto once = snapshot();
  change_fmode(cdir, Mode::F3, Mode::F4);
  change_fmode(cdir, Mode::F4, Mode::F3, {.force = true});
  EXPECT_EQ(snapshot(), once);
  EXPECT_EQ(load_file(cdir + "/patch.path"), cdir);
  EXPECT_EQ(load_file(cdir + "/ld.so.path"), "/lib/ld.so");
  EXPECT_EQ(load_file(cdir + "/ld.lib.dirs"), root + "/usr/lib/app");
}

TEST_F(Fmode, TurnsAbsoluteLinksOnly) {
  change_fmode(cdir, Mode::P1, Mode::F1);
  EXPECT_EQ(find_link(root + "/bin/tool"), root + "/etc/alternatives/tool");
  EXPECT_EQ(find_link(root + "/lib64"), "../usr/lib");
  EXPECT_EQ(find_in_root(root, "/bin/tool"), root + "/usr/lib/app/tool");
  EXPECT_EQ(find_in_root(root, "/opt/slash/../lib64/app"), root + "/usr/lib/app");
  EXPECT_FALSE(find_in_root(root, "/bin/absent"));
}

TEST_F(Fmode, NeutralisesTheLoader) {
  const std::string old = load_file(root + "/lib/ld.so");
  change_fmode(cdir, Mode::P1, Mode::F2);
  const std::string now = load_file(root + "/lib/ld.so");
  EXPECT_EQ(now.size(), old.size());
  EXPECT_EQ(now.find("/etc/ld.so"), std::string::npos);
  EXPECT_NE(now.find("LD_LIBRARY_REAL"), std::string::npos);
  EXPECT_EQ(load_file(cdir + "/ld.so.orig"), old);
}

TEST_F(Fmode, TakesOverALoaderOfThePythonTool) {
  const std::string old = load_file(root + "/lib/ld.so");
  change_fmode(cdir, Mode::P1, Mode::F2);
  make_file(root + "/lib/ld.so", pythons_loader(old));
  change_fmode(cdir, Mode::F2, Mode::P1);
  EXPECT_EQ(load_file(root + "/lib/ld.so"), old);
}

TEST_F(Fmode, KeepsAnUpgradedLoader) {
  change_fmode(cdir, Mode::P1, Mode::F2);
  make_file(root + "/lib/ld.so", "a newer loader");
  change_fmode(cdir, Mode::F2, Mode::P1);
  EXPECT_EQ(load_file(root + "/lib/ld.so"), "a newer loader");
}

TEST_F(Fmode, RestoresWithoutUndoAsForTreesOfThePythonTool) {
  const std::string old = interpreter("/bin/prog");
  change_fmode(cdir, Mode::P1, Mode::F3);
  remove_file(cdir + "/patch.undo");
  change_fmode(cdir, Mode::F3, Mode::P1);
  EXPECT_EQ(interpreter("/bin/prog"), old);
  const elf::Bytes tool = elf::load_bytes(root + "/usr/lib/app/tool");
  EXPECT_EQ(elf::View(tool).rpath(), "/usr/lib/app:$ORIGIN");
}

TEST_F(Fmode, FollowsAContainerThatMoved) {
  const auto before = snapshot();
  change_fmode(cdir, Mode::P1, Mode::F3);
  const TempDir other(real_path(testing::TempDir()));
  ASSERT_EQ(::rename(cdir.c_str(), (other.path() + "/c").c_str()), 0);
  cdir = other.path() + "/c";
  root = cdir + "/ROOT";
  EXPECT_TRUE(fmode_was_moved(cdir, Mode::F3));
  change_fmode(cdir, Mode::F3, Mode::F4);
  EXPECT_FALSE(fmode_was_moved(cdir, Mode::F4));
  EXPECT_EQ(interpreter("/bin/prog"), root + "//lib/ld.so");
  EXPECT_EQ(find_link(root + "/bin/tool"), root + "/etc/alternatives/tool");
  change_fmode(cdir, Mode::F4, Mode::P1);
  EXPECT_EQ(snapshot(), before);
  ASSERT_EQ(::chmod((root + "/opt/ro").c_str(), 0755), 0);
}

TEST_F(Fmode, LeavesAFileAloneThatWasReplacedSince) {
  change_fmode(cdir, Mode::P1, Mode::F3);
  elf::SampleOptions o;
  o.interpreter = "/lib/other.so";
  put_elf(root + "/bin/prog", o);
  const std::string content = load_file(root + "/bin/prog");
  change_fmode(cdir, Mode::F3, Mode::P1);
  EXPECT_EQ(load_file(root + "/bin/prog"), content);
}

// As ldconfig writes it: names and paths of libraries.
std::string cache_of(const std::vector<std::string>& libraries) {
  std::string head = "glibc-ld.so.cache1.1", entries, texts;
  const auto number = [](std::uint32_t value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); };
  head += number(static_cast<std::uint32_t>(libraries.size())) + std::string(24, '\0');
  for (const std::string& path : libraries) {
    const std::size_t at = 48 + 24 * libraries.size() + texts.size();
    entries += number(1) + number(0) + number(static_cast<std::uint32_t>(at)) + std::string(12, '\0');
    texts += path + std::string(1, '\0');
  }
  return head + entries + texts;
}

TEST_F(Fmode, SearchesLibrariesInsideRootOnly) {
  make_directories(root + "/usr/lib/deep/er");
  make_directories(dir.path() + "/outside");
  link("usr/lib", "/usual");
  link("../../../outside", "/leads-out");
  make_file(root + "/etc/ld.so.cache",
            cache_of({"/usual/deep/er/libx.so", "/usr/lib/deep/../deep/er/liby.so", "/../outside/libz.so", "/usr/lib/../../../outside/libz.so",
                      "/leads-out/libz.so", "/usr/lib/none/libn.so", "/bin/prog/libf.so", "//usr//lib/app/liba.so", "libr.so"}));
  make_file(cdir + "/ld.lib.dirs", "");
  const auto dirs = split(fmode_library_path(cdir), ':');
  const std::vector<std::string> wanted = {root + "/usr/lib", root + "/lib", root + "/usr/lib/deep/er", root + "/usr/lib/app", "."};
  std::vector<std::string> got;
  for (const auto& dir : dirs)
    if (!dir.empty()) got.push_back(dir);
  EXPECT_EQ(got, wanted);
}

TEST(FmodePlan, NamesTheSteps) {
  using S = FmodeStep;
  using Steps = std::vector<FmodeStep>;
  const FmodeState fresh;
  FmodeState f3{true, true, true, false};
  EXPECT_EQ(plan_fmode(Mode::P1, Mode::R1, fresh, false), Steps{});
  EXPECT_EQ(plan_fmode(Mode::P1, Mode::F1, fresh, false), (Steps{S::turn_links, S::list_libraries}));
  EXPECT_EQ(plan_fmode(Mode::F3, Mode::F4, f3, false), Steps{});
  EXPECT_EQ(plan_fmode(Mode::F3, Mode::F2, f3, false), Steps{S::restore_files});
  EXPECT_EQ(plan_fmode(Mode::F4, Mode::P2, f3, false), (Steps{S::restore_files, S::restore_loader, S::restore_links}));
  f3.interrupted = true;  // killed while going to F3: the recorded mode is still the old one
  EXPECT_EQ(plan_fmode(Mode::P1, Mode::P1, f3, false), (Steps{S::restore_files, S::restore_loader, S::restore_links}));
}

TEST(FmodeLinks, TurnsAndRestoresTargets) {
  EXPECT_EQ(turned_target("/etc/x", "/c/ROOT", ""), "/c/ROOT/etc/x");
  EXPECT_EQ(turned_target("/c/ROOT/etc/x", "/c/ROOT", "/c/ROOT"), "/c/ROOT/etc/x");
  EXPECT_EQ(turned_target("/old/ROOT/etc/x", "/c/ROOT", "/old/ROOT"), "/c/ROOT/etc/x");
  EXPECT_EQ(turned_target("/c/ROOTED", "/c/ROOT", "/c/ROOT"), "/c/ROOT/c/ROOTED");
  EXPECT_EQ(restored_target("/c/ROOT/etc/x", "/c/ROOT", "/c/ROOT"), "/etc/x");
  EXPECT_EQ(restored_target("/c/ROOT", "/c/ROOT", ""), "/");
  EXPECT_EQ(restored_target("/home/u/.udocker/containers/ab-1/ROOT/etc", "/c/ROOT", ""), "/etc");
  EXPECT_EQ(restored_target("/etc/x", "/c/ROOT", "/c/ROOT"), "/etc/x");
}

TEST(FmodeUndo, BringsBackBytesAlsoAfterAKilledWrite) {
  const elf::Bytes before = elf::make_sample();
  elf::Bytes after = before;
  for (const std::size_t at : {5u, 6u, 100u, 1000u, 4096u}) after[at] ^= 0x55;
  after.resize(before.size() + 500, 7);
  const UndoRecord record = make_undo("x", before, after);
  const TempDir dir(testing::TempDir());
  const std::string path = dir.path() + "/file";
  const auto restored = [&](const elf::Bytes& from) {
    make_file(path, {reinterpret_cast<const char*>(from.data()), from.size()});
    return write_old(path, record);
  };
  for (const elf::Bytes& from : {after, before}) {
    EXPECT_TRUE(restored(from));
    EXPECT_EQ(elf::load_bytes(path), before);
  }
  write_new(path, record);
  EXPECT_EQ(elf::load_bytes(path), after);
  elf::Bytes half = after;
  std::copy(before.begin() + 900, before.begin() + 4200, half.begin() + 900);
  EXPECT_TRUE(restored(half));
  EXPECT_EQ(elf::load_bytes(path), before);
  half.resize(before.size() + 100);
  EXPECT_TRUE(restored(half));
  EXPECT_EQ(elf::load_bytes(path), before);
  half[100] = 0x99;
  EXPECT_FALSE(restored(half));
  EXPECT_EQ(elf::load_bytes(path), half);
}

TEST(FmodeUndo, ReadsWholeRecordsOnly) {
  const TempDir dir(testing::TempDir());
  const std::string path = dir.path() + "/undo";
  const elf::Bytes before = elf::make_sample(), after(before.begin(), before.end() - 50);
  UndoWriter writer(path);
  writer.add(make_undo("one", before, after));
  const std::size_t whole = load_file(path).size();
  writer.add(make_undo("two", before, after));
  ASSERT_EQ(load_undo(path).size(), 2u);
  EXPECT_EQ(load_undo(path)[1].path, "two");
  ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(whole + 20)), 0);
  ASSERT_EQ(load_undo(path).size(), 1u);
  writer.add(make_undo("three", before, after));
  ASSERT_EQ(load_undo(path).size(), 2u);
  EXPECT_EQ(load_undo(path)[1].path, "three");
}

TEST(FmodeScan, KnowsLibraryNames) {
  for (const char* name : {"libc.so", "libc.so.6", "libm-2.31.so", "libx.so.1.2.3"}) EXPECT_TRUE(is_library_name(name)) << name;
  for (const char* name : {"ld.so", "libc.a", "libc.so.conf", "libc.sofa", "mod.so"}) EXPECT_FALSE(is_library_name(name)) << name;
}

}  // namespace
}  // namespace udocker::engine
