#include "embedded/launcher/plan.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <map>

using namespace udocker;
using namespace udocker::launcher;

namespace {

// A host in memory: paths with a kind, links with their target.
struct Disk {
  std::map<std::string, Entry> entries;
  void dir(const std::string& path) { entries[path] = {Kind::directory, {}}; }
  void file(const std::string& path) { entries[path] = {Kind::file, {}}; }
  void link(const std::string& path, const std::string& target) { entries[path] = {Kind::link, target}; }
  Entry operator()(const std::string& path) const {
    auto found = entries.find(path);
    return found == entries.end() ? Entry{} : found->second;
  }
};

Disk small_root() {
  Disk disk;
  for (const char* path : {"/R", "/R/etc", "/R/usr", "/R/usr/lib", "/R/dev", "/R/proc", "/v", "/v/sub"}) disk.dir(path);
  for (const char* path : {"/R/etc/passwd", "/f"}) disk.file(path);
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "ptmx"})
    disk.file(cat("/R/dev/", name));
  disk.link("/R/lib", "usr/lib");
  disk.link("/R/abs", "/usr");
  disk.link("/R/etc/gone", "../run/gone");
  disk.link("/R/loop", "loop");
  return disk;
}

// The steps as text, without the standard devices where no mount is below /dev.
std::string plan_of(const std::vector<oci::Mount>& mounts, const Disk& disk = small_root(), bool read_only = false) {
  oci::Config config;
  config.root_path = "/R";
  config.root_read_only = read_only;
  config.mounts = mounts;
  config.namespaces = {{"mount", ""}};
  bool devices = false;
  for (const auto& mount : mounts) devices |= mount.destination.starts_with("/dev");
  std::string out;
  for (const auto& step : plan_container(config, {}, disk).before)
    if ((devices || step.action != Action::device) && step.action != Action::propagate && step.action != Action::bind_root) out += describe(step) + (step.dangling ? "!" : "") + "\n";
  return out;
}

oci::Mount bind(const std::string& source, const std::string& target) { return {target, "bind", source, {"rbind"}, {}, {}}; }

}  // namespace

TEST(View, FollowsLinksAsTheGuestWould) {
  View view("/R", small_root());
  EXPECT_EQ(view.resolve("/lib", false).path, "/usr/lib");
  EXPECT_EQ(view.resolve("/abs/lib/../..", false).path, "/");
  EXPECT_EQ(view.resolve("/../../etc/passwd", false).path, "/etc/passwd");
  EXPECT_EQ(view.resolve("/abs/new/deep", false).path, "/usr/new/deep");
  EXPECT_EQ(view.resolve("/abs/new/deep", false).base, "/usr");
  EXPECT_THROW(view.resolve("/loop/x", false), Error);
  EXPECT_THROW(view.resolve("/etc/passwd/x", false), Error);
}

TEST(View, KeepsALinkThatLeadsNowhereWhenAsked) {
  View view("/R", small_root());
  EXPECT_EQ(view.resolve("/etc/gone", true).path, "/etc/gone");
  EXPECT_TRUE(view.resolve("/etc/gone", true).dangling);
  EXPECT_EQ(view.resolve("/etc/gone", false).path, "/run/gone");
  EXPECT_EQ(view.resolve("/etc/gone", false).missing.size(), 2u);
}

TEST(View, SeesMountsOverTheRoot) {
  View view("/R", small_root());
  view.add("/etc", Behind::host, "/v", Kind::directory);
  EXPECT_EQ(view.resolve("/etc/sub", false).kind, Kind::directory);
  EXPECT_EQ(view.resolve("/etc/passwd", false).kind, Kind::missing);
  EXPECT_EQ(view.resolve("/etc/passwd", false).base_host, "/v");
  view.add("/dev", Behind::scratch, "", Kind::directory);
  EXPECT_EQ(view.resolve("/dev/pts", false).behind, Behind::scratch);
}

TEST(Plan, BindsOverWhatExists) {
  EXPECT_EQ(plan_of({bind("/v", "/usr"), bind("/f", "/etc/passwd")}), "bind /v on /usr\nbind /f on /etc/passwd\n");
  EXPECT_EQ(plan_of({bind("/v", "/lib")}), "bind /v on /usr/lib\n");
  EXPECT_EQ(plan_of({bind("/f", "/etc/gone")}), "bind /f on /etc/gone!\n");
}

TEST(Plan, MakesMissingMountPointsInALayerOnly) {
  EXPECT_EQ(plan_of({bind("/v", "/new/deep"), bind("/f", "/etc/x"), bind("/v", "/new/other")}),
            "layer /R on / +new/deep/ +new/other/\nlayer /R/etc on /etc +x\nbind /v on /new/deep\nbind /f on /etc/x\nbind /v on /new/other\n");
}

TEST(Plan, PutsALayerOfAVolumeAfterTheVolume) {
  EXPECT_EQ(plan_of({bind("/v", "/data"), bind("/v", "/data/x/y")}),
            "layer /R on / +data/\nbind /v on /data\nlayer /v on /data +x/y/\nbind /v on /data/x/y\n");
  EXPECT_EQ(plan_of({bind("/v", "/usr"), bind("/v", "/usr/sub")}), "bind /v on /usr\nbind /v on /usr/sub\n");
}

TEST(Plan, CreatesFreelyInFileSystemsOfItsOwn) {
  std::string text = plan_of({{"/dev", "tmpfs", "tmpfs", {}, {}, {}}, {"/dev/pts", "devpts", "devpts", {}, {}, {}}, bind("/f", "/dev/a/b")});
  EXPECT_EQ(text.find("layer"), std::string::npos);
  EXPECT_NE(text.find("create on /dev +pts/"), std::string::npos);
  EXPECT_NE(text.find("create on /dev +a/b\n"), std::string::npos);
  EXPECT_NE(text.find("device /dev/null on /dev/null"), std::string::npos);
  EXPECT_NE(text.find("symlink pts/ptmx on /dev/ptmx"), std::string::npos);
}

TEST(Plan, LeavesAForeignDevAlone) {
  EXPECT_EQ(plan_of({bind("/v", "/dev")}), "bind /v on /dev\n");
}

TEST(Plan, ShowsDevicesInALayerOfTheRootsOwnDev) {
  Disk disk;
  disk.dir("/R");
  disk.dir("/R/dev");
  disk.file("/R/dev/null");
  std::string text = plan_of({}, disk);
  EXPECT_NE(text.find("layer /R/dev on /dev +zero +full +random +urandom +tty +fd +stdin"), std::string::npos) << text;
  EXPECT_EQ(text.find("symlink"), std::string::npos) << text;
}

TEST(Plan, RefusesUnequalKinds) {
  EXPECT_THROW(plan_of({bind("/v", "/etc/passwd")}), Error);
  EXPECT_THROW(plan_of({bind("/f", "/etc")}), Error);
  EXPECT_THROW(plan_of({bind("/none", "/etc")}), Error);
}

TEST(Plan, NeedsIdMapsForAUserNamespace) {
  oci::Config config;
  config.root_path = "/R";
  config.namespaces = {{"mount", ""}, {"user", ""}};
  EXPECT_THROW(plan_container(config, {}, small_root()), Error);
  config.uid_mappings = config.gid_mappings = {{0, 1000, 1}};
  EXPECT_TRUE(plan_container(config, {}, small_root()).new_user_namespace);
}

TEST(Plan, TurnsSysctlNamesIntoPaths) {
  oci::Config config;
  config.root_path = "/R";
  config.sysctl = {{"net.ipv4.ip_forward", "1"}};
  EXPECT_EQ(plan_container(config, {}, small_root()).after.at(0).target, "/proc/sys/net/ipv4/ip_forward");
}
