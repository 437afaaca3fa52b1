#include "host/capabilities.hpp"
#include "host/cgroup.hpp"
#include "host/idmap.hpp"
#include "host/mounts.hpp"
#include "host/namespaces.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

#include <cerrno>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace udocker;
using namespace udocker::host;

namespace {
bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST(Refusals, NameTheReasonAndAWayOut) {
  UserNamespaceFacts facts;
  facts.maximum = 0;
  std::string text = explain_user_namespace_refusal(facts, ENOSPC);
  EXPECT_TRUE(contains(text, "max_user_namespaces")) << text;
  EXPECT_TRUE(contains(text, "P1")) << text;
  facts = {};
  facts.apparmor_restricts = 1;
  EXPECT_TRUE(contains(explain_user_namespace_refusal(facts, EPERM), "AppArmor"));
  EXPECT_TRUE(contains(explain_mapping_refusal(facts, EPERM), "AppArmor"));
  EXPECT_TRUE(contains(explain_mount_refusal(facts, "tmpfs", "/dev", EPERM), "AppArmor"));
  facts = {};
  facts.filtered = true;
  EXPECT_TRUE(contains(explain_user_namespace_refusal(facts, EPERM), "Docker"));
  EXPECT_TRUE(contains(explain_mount_refusal({}, "proc", "/proc", EPERM), "Docker"));
  EXPECT_TRUE(contains(explain_mapping_refusal({}, EPERM), "newuidmap"));
  facts = {};
  facts.kernel_has_them = false;
  EXPECT_TRUE(contains(explain_user_namespace_refusal(facts, EINVAL), "built without"));
}

TEST(MountOptions, SortsWordsByWhoUnderstandsThem) {
  auto options = parse_mount_options({"rbind", "ro", "nosuid", "mode=755", "rslave", "size=1k", "rro"});
  EXPECT_TRUE(options.bind && options.recursive);
  EXPECT_EQ(options.flags, static_cast<unsigned long>(MS_RDONLY | MS_NOSUID));
  EXPECT_EQ(options.data, "mode=755,size=1k");
  EXPECT_EQ(options.propagation, (std::vector<unsigned long>{MS_SLAVE | MS_REC}));
  EXPECT_EQ(options.recursive_set, static_cast<std::uint64_t>(MOUNT_ATTR_RDONLY));
}

TEST(MountOptions, LaterWordsTakeBackEarlierOnes) {
  auto options = parse_mount_options({"ro", "rw", "nodev", "dev"});
  EXPECT_EQ(options.flags, 0u);
  EXPECT_EQ(options.cleared, static_cast<unsigned long>(MS_RDONLY | MS_NODEV));
}

TEST(MountInfo, ReadsFieldsAndEscapes) {
  auto all = parse_mountinfo("36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n37 35 0:1 / /proc rw - proc proc rw\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].target, "/mnt 2");
  EXPECT_EQ(all[0].type, "ext3");
  EXPECT_EQ(all[1].source, "proc");
}

TEST(OpenInRoot, NeverLeavesTheRoot) {
  TempDir dir(::testing::TempDir());
  make_directories(dir.path() + "/r/sub");
  make_file(dir.path() + "/secret", "out");
  make_file(dir.path() + "/r/secret", "in");
  ASSERT_EQ(::symlink("../../../secret", (dir.path() + "/r/sub/up").c_str()), 0);
  ASSERT_EQ(::symlink("/secret", (dir.path() + "/r/abs").c_str()), 0);
  UniqueFd root = open_fd(dir.path() + "/r", O_PATH | O_DIRECTORY);
  for (const char* path : {"sub/up", "abs", "/abs", "../../secret", "sub/../secret"}) {
    UniqueFd file = open_in_root(root.get(), path, O_RDONLY);
    char text[4] = {};
    read_full(file.get(), text, 3, path);
    EXPECT_STREQ(text, "in") << path;
  }
  EXPECT_EQ(try_open_in_root(root.get(), "none", O_PATH), -ENOENT);
}

TEST(IdMaps, SelfMapIsOneOwnId) {
  EXPECT_TRUE(maps_only_self({{0, 1000, 1}}, {{0, 100, 1}}, 1000, 100));
  EXPECT_FALSE(maps_only_self({{0, 1001, 1}}, {{0, 100, 1}}, 1000, 100));
  EXPECT_FALSE(maps_only_self({{0, 1000, 2}}, {{0, 100, 1}}, 1000, 100));
  EXPECT_EQ(map_text({{0, 1000, 1}, {1, 5000, 10}}), "0 1000 1\n1 5000 10\n");
}

TEST(IdMaps, FindsSubordinateRanges) {
  const char* text = "other:1:2\nme:100000:65536\n1001:200000:10\nbroken\nme2:x:y\n";
  auto range = find_subordinate_range(text, "me", 1000);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->outside, 100000u);
  EXPECT_EQ(find_subordinate_range(text, "unknown", 1001)->size, 10u);
  EXPECT_FALSE(find_subordinate_range(text, "me2", 7));
}

TEST(Capabilities, AreFoundByAnySpelling) {
  EXPECT_EQ(find_capability("CAP_CHOWN"), 0);
  EXPECT_EQ(find_capability("sys_admin"), 21);
  EXPECT_FALSE(find_capability("CAP_NOTHING"));
  std::vector<std::string> unknown;
  EXPECT_EQ(capability_bits({"CAP_CHOWN", "CAP_KILL", "CAP_X"}, &unknown), 0x21u);
  EXPECT_EQ(unknown, (std::vector<std::string>{"CAP_X"}));
  EXPECT_EQ(all_capabilities().size(), 41u);
}

TEST(Cgroup, TranslatesResourcesToVersionTwo) {
  auto settings = plan_resources(json::parse(R"({"memory":{"limit":1000,"swap":1500},"cpu":{"shares":1024,"quota":50000,"period":100000},
    "pids":{"limit":-1},"unified":{"memory.high":"900"}})", "t"));
  std::string text;
  for (const auto& one : settings) text += one.file + "=" + one.text + ";";
  EXPECT_EQ(text, "memory.max=1000;memory.swap.max=500;cpu.weight=39;cpu.max=50000 100000;pids.max=max;memory.high=900;");
  EXPECT_EQ(own_cgroup("9:x:/a\n0::/user.slice/b\n"), "/user.slice/b");
}
