#include "ops/banner.hpp"
#include "ops/run_options.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {
namespace {

// A container's root with a few files.
class RunRoot : public ::testing::Test {
 protected:
  RunRoot() : dir_("/tmp", "run-root"), view_(dir_.path(), {}) {
    for (const char* name : {"/etc", "/bin", "/usr/bin", "/database"}) make_directories(dir_.path() + name);
    make_file(dir_.path() + "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nbad line\nwww:x:33:33:w:/var/www:/bin/sh\n");
    make_file(dir_.path() + "/etc/group", "root:x:0:\nstaff:x:50:\nbroken\n");
    make_file(dir_.path() + "/usr/bin/tool", "#!/bin/sh\n", 0755);
    make_file(dir_.path() + "/usr/bin/plain", "text", 0644);
    EXPECT_EQ(::symlink("/usr/bin/tool", (dir_.path() + "/bin/abs").c_str()), 0);
    EXPECT_EQ(::symlink("../../../../../../usr/bin/tool", (dir_.path() + "/bin/up").c_str()), 0);
    EXPECT_EQ(::symlink("/bin/loop", (dir_.path() + "/bin/loop").c_str()), 0);
  }
  IdentityRequest request(std::string user) { return {std::move(user), engine::Family::ptrace}; }
  TempDir dir_;
  engine::ContainerView view_;
};

int exit_code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.exit_code();
  }
  return 0;
}

TEST_F(RunRoot, LinksStayInside) {
  EXPECT_EQ(view_.find("/bin/abs"), dir_.path() + "/usr/bin/tool");
  EXPECT_EQ(view_.find("/bin/up"), dir_.path() + "/usr/bin/tool");
  EXPECT_EQ(view_.canonical("/bin/../../../bin/abs"), "/usr/bin/tool");
  EXPECT_FALSE(view_.is_executable("/bin/loop"));
}
TEST_F(RunRoot, BindsWinAtPathBoundariesOnly) {
  engine::ContainerView view(dir_.path(), {{"/tmp", "/data"}, {"/usr", "/data/inner"}});
  EXPECT_EQ(view.find("/data"), "/tmp");
  EXPECT_EQ(view.find("/data/inner/bin"), "/usr/bin");
  EXPECT_EQ(view.find("/database"), dir_.path() + "/database");
}
TEST_F(RunRoot, RootIsTheDefaultAndNeedsNoExtraFiles) {
  Identity who = resolve_identity(request(""), view_);
  EXPECT_EQ(who.user.uid, 0u);
  EXPECT_EQ(who.user.shell, "/bin/bash");
  EXPECT_FALSE(who.passwd || who.group);
}
TEST_F(RunRoot, KnownUserRunsWithTheCallersIds) {
  Identity who = resolve_identity(request("www"), view_);
  EXPECT_EQ(who.user.uid, ::getuid());
  EXPECT_EQ(who.user.home, "/var/www");
  ASSERT_TRUE(who.passwd);
  EXPECT_TRUE(who.passwd->starts_with(cat("www:x:", ::getuid(), ":")));
}
TEST_F(RunRoot, UnknownNumbersGetAnEntry) {
  Identity who = resolve_identity(request("1234:5678"), view_);
  EXPECT_EQ(who.user.uid, 1234u);
  EXPECT_EQ(who.user.gid, 5678u);
  EXPECT_EQ(who.user.name, "udoc1234");
  EXPECT_NE(who.passwd->find("udoc1234:x:1234:5678:*UDOCKER*:/:/bin/sh\n"), std::string::npos);
}
TEST_F(RunRoot, NamedGroupsAreLookedUp) {
  EXPECT_EQ(resolve_identity(request("root:staff"), view_).user.gid, 50u);
  EXPECT_EQ(exit_code_of([&] { resolve_identity(request("root:nosuch"), view_); }), 2);
  EXPECT_EQ(exit_code_of([&] { resolve_identity(request("a b"), view_); }), 2);
}
TEST_F(RunRoot, ImageWithoutPasswdOrGroupWorks) {
  remove_tree(dir_.path() + "/etc");
  EXPECT_EQ(resolve_identity(request(""), view_).user.home, "/root");
  EXPECT_TRUE(resolve_identity(request("77"), view_).group);
}
TEST_F(RunRoot, ProgramsAreFoundByPathAndByWorkdir) {
  EXPECT_EQ(resolve_program({"tool"}, "/bin:/usr/bin", "/", view_), "/usr/bin/tool");
  EXPECT_EQ(resolve_program({"./tool"}, "/bin", "/usr/bin", view_), "/usr/bin/tool");
  EXPECT_EQ(exit_code_of([&] { resolve_program({"plain"}, "/usr/bin", "/", view_); }), 2);
}

TEST(Volumes, OptionsAreSplitOff) {
  auto bind = parse_volume("/tmp:/data:ro");
  EXPECT_EQ(bind.guest, "/data");
  EXPECT_EQ(bind.access, engine::Access::read_only);
  EXPECT_EQ(parse_volume("/tmp:ro").guest, "/tmp");
  EXPECT_EQ(parse_volume("/tmp/").guest, "/tmp");
  EXPECT_EQ(parse_volume("/tmp:/a//b/:z").guest, "/a/b");
  for (auto text : {"/no/such/path", "relative:/x", "/tmp:rel", "/tmp:/"}) EXPECT_EQ(exit_code_of([&] { parse_volume(text); }), 2) << text;
}
TEST(Volumes, NovolDropsByHostOrWholeText) {
  RunOptions options;
  options.volumes = {"/tmp:/data", "/usr:/u"};
  options.no_volumes = {"/tmp", "/dev"};
  config::Settings settings;
  settings.sysdirs_list = {"/dev", "/proc", "/nonexistent"};
  auto binds = plan_volumes(options, settings, engine::Family::ptrace, "");
  ASSERT_EQ(binds.size(), 3u);
  EXPECT_EQ(binds[0].guest, "/u");
  EXPECT_EQ(binds[1].guest, "/proc");
  EXPECT_EQ(binds[2].guest, "/etc/hosts");
}
TEST(Volumes, FilesThatOnlyHelpDoNotSlowListingsDown) {
  RunOptions options;
  options.volumes = {"/etc/passwd:/etc/added"};
  config::Settings settings;
  settings.sysdirs_list = {"/dev", "/etc/group"};
  options.bind_home = true;
  std::string listed;
  for (const auto& bind : plan_volumes(options, settings, engine::Family::trap, "/var/tmp"))
    if (bind.listed) listed += bind.guest + " ";
  EXPECT_EQ(listed, "/etc/added /dev /var/tmp ");
}
TEST(Ports, AllForms) {
  EXPECT_EQ(parse_port("8080").host, 8080);
  EXPECT_EQ(parse_port("8080:80").container, 80);
  EXPECT_EQ(parse_port("127.0.0.1:8080:80/tcp").host, 8080);
  for (auto text : {"", "a:b", "70000:1", "1:2:3:4"}) EXPECT_EQ(exit_code_of([&] { parse_port(text); }), 2) << text;
}
TEST(RunEnvironment, OptionsWinOverFilesOverImage) {
  TempDir dir("/tmp", "env");
  make_file(dir.path() + "/f", "# comment\nA=file\nB=file\nFROM_HOST\n9X=bad\n");
  EnvironmentRequest request;
  request.image = {"A=image", "B=image", "C=image", "PATH=/image"};
  request.files = {dir.path() + "/f"};
  request.options = {"A=option", "USER=me", "EMPTY"};
  request.host = {"FROM_HOST=h", "TERM=vt", "SECRET=x", "PATH=/host"};
  request.valid_host = {"TERM", "PATH"};
  request.default_path = "/default";
  request.user.name = "root";
  auto env = plan_environment(request);
  EXPECT_EQ(find_variable(env, "A"), "option");
  EXPECT_EQ(find_variable(env, "B"), "file");
  EXPECT_EQ(find_variable(env, "C"), "image");
  EXPECT_EQ(find_variable(env, "FROM_HOST"), "h");
  EXPECT_EQ(find_variable(env, "TERM"), "vt");
  EXPECT_EQ(find_variable(env, "PATH"), "/image");
  EXPECT_EQ(find_variable(env, "USER"), "me");
  EXPECT_EQ(find_variable(env, "LOGNAME"), "root");
  EXPECT_EQ(find_variable(env, "EMPTY"), "");
  EXPECT_FALSE(find_variable(env, "SECRET") || find_variable(env, "9X"));
}
TEST(RunCommand, EntrypointAndCmd) {
  oci::RunConfig image;
  image.entrypoint = {"/entry", "-x"};
  image.cmd = {"default"};
  RunOptions options;
  config::Settings settings;
  EXPECT_EQ(plan_command(options, image, settings), (std::vector<std::string>{"/entry", "-x", "default"}));
  options.command = {"ls", ""};
  EXPECT_EQ(plan_command(options, image, settings), (std::vector<std::string>{"/entry", "-x", "ls", ""}));
  options.entrypoint = "sh -c";
  EXPECT_EQ(plan_command(options, image, settings), (std::vector<std::string>{"sh", "-c", "ls", ""}));
  options.entrypoint = "";
  EXPECT_EQ(plan_command(options, image, settings), (std::vector<std::string>{"ls", ""}));
}
TEST(Banner, LinesAreEightyWide) {
  auto text = banner_text(engine::Family::ptrace, "1e3c1b1a-0000-0000-0000-000000000000", "/bin/ls");
  auto lines = split(text, '\n');
  ASSERT_EQ(lines.size(), 8u);
  for (int i = 1; i < 6; ++i) EXPECT_EQ(lines[static_cast<std::size_t>(i)].size(), 80u) << i;
  EXPECT_EQ(lines[6], " executing: ls");
}

}  // namespace
}  // namespace udocker::ops
