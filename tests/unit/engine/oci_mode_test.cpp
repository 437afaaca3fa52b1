#include "engine/oci_mode.hpp"
#include "util/error.hpp"

#include <algorithm>

#include <gtest/gtest.h>

using namespace udocker;
using namespace udocker::engine;

namespace {

RunPlan plain_plan() {
  RunPlan plan;
  plan.mode = Mode::R1;
  plan.root = "/R";
  plan.argv = {"sh"};
  plan.environment = {"A=1"};
  return plan;
}

OciFacts user_facts() {
  OciFacts facts;
  facts.uid = 1000;
  facts.gid = 100;
  facts.host_name = "node";
  facts.recursive_read_only = true;
  return facts;
}

const oci::Mount* find_mount(const oci::Config& config, std::string_view target) {
  for (const auto& mount : config.mounts)
    if (mount.destination == target) return &mount;
  return nullptr;
}

bool has_option(const oci::Mount& mount, std::string_view option) { return std::ranges::find(mount.options, option) != mount.options.end(); }

}  // namespace

TEST(OciMode, MapsTheOneIdToTheWantedUser) {
  RunPlan plan = plain_plan();
  auto config = make_config(plan, user_facts(), Runtime::own);
  EXPECT_EQ(config.uid_mappings, (std::vector<oci::IdMapping>{{0, 1000, 1}}));
  EXPECT_TRUE(config.process.capabilities);
  EXPECT_EQ(config.hostname, "node");
  plan.uid = 33;
  plan.gid = 34;
  config = make_config(plan, user_facts(), Runtime::own);
  EXPECT_EQ(config.uid_mappings, (std::vector<oci::IdMapping>{{33, 1000, 1}}));
  EXPECT_EQ(config.gid_mappings, (std::vector<oci::IdMapping>{{34, 100, 1}}));
  EXPECT_FALSE(config.process.capabilities);
}

TEST(OciMode, MapsAllIdsForTheRealRoot) {
  OciFacts facts = user_facts();
  facts.uid = facts.gid = 0;
  facts.root_uids = facts.root_gids = {{0, 0, 4294967295u}};
  auto config = make_config(plain_plan(), facts, Runtime::own);
  EXPECT_EQ(config.uid_mappings, (std::vector<oci::IdMapping>{{0, 0, 4294967295u}}));
  EXPECT_FALSE(config.masked_paths.empty());
}

TEST(OciMode, VolumesBecomeBinds) {
  RunPlan plan = plain_plan();
  plan.binds = {{"/h", "/data", Access::read_only}, {"/h", "/dev/extra", Access::read_write}};
  auto config = make_config(plan, user_facts(), Runtime::own);
  ASSERT_TRUE(find_mount(config, "/data"));
  EXPECT_TRUE(has_option(*find_mount(config, "/data"), "rro"));
  EXPECT_TRUE(has_option(*find_mount(config, "/data"), "nodev"));
  EXPECT_FALSE(has_option(*find_mount(config, "/dev/extra"), "nodev"));
  EXPECT_TRUE(find_mount(config, "/dev/pts"));
}

TEST(OciMode, AVolumeTakesThePlaceOfAStandardMount) {
  RunPlan plan = plain_plan();
  plan.binds = {{"/dev", "/dev", Access::read_write}, {"/s", "/sys", Access::read_write}};
  auto config = make_config(plan, user_facts(), Runtime::own);
  EXPECT_EQ(std::ranges::count_if(config.mounts, [](const auto& mount) { return mount.destination.starts_with("/dev"); }), 1);
  EXPECT_EQ(find_mount(config, "/sys")->source, "/s");
}

TEST(OciMode, DevicesAreBound) {
  RunPlan plan = plain_plan();
  plan.devices = {"/dev/null:/dev/nothing:r"};
  auto config = make_config(plan, user_facts(), Runtime::own);
  ASSERT_TRUE(find_mount(config, "/dev/nothing"));
  EXPECT_EQ(find_mount(config, "/dev/nothing")->source, "/dev/null");
  EXPECT_TRUE(has_option(*find_mount(config, "/dev/nothing"), "rro"));
  plan.devices = {"/etc/passwd"};
  EXPECT_THROW(make_config(plan, user_facts(), Runtime::own), Error);
  plan.devices = {"/dev/none-such"};
  EXPECT_THROW(make_config(plan, user_facts(), Runtime::own), Error);
}
