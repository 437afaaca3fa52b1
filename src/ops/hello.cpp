#include "ops/hello.hpp"

#include "host/blob.hpp"
#include "oci/image_config.hpp"
#include "oci/platform.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <unistd.h>

namespace udocker::ops {

namespace {

// Names that the program answers to; asked of itself, since builds differ.
std::vector<std::string> program_names(const std::string& program) {
  std::vector<std::string> names;
  try {
    for (const auto& line : split(run_captured({program, "--list"}).output, '\n'))
      if (!trim(line).empty() && line.find('/') == line.npos) names.emplace_back(trim(line));
  } catch (const SystemError&) {  // such as a store where nothing may be executed; engines may manage all the same
  }
  if (names.empty()) names = {"sh", "ash", "cat", "cp", "echo", "env", "false", "id", "ls", "mkdir", "mv", "ps", "pwd", "rm", "sleep", "true", "uname", "vi"};
  return names;
}

}  // namespace

store::Container make_hello(Session& session, const std::string& name) {
  std::string_view program = host::blob::busybox();
  if (program.empty()) throw NotSupported("this build of udocker carries no image", "pull or load one");
  store::NewContainer fresh = session.repository().containers().make();
  std::string root = fresh.root();
  for (const char* directory : {"bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "usr/bin", "usr/sbin", "sbin", "var", "var/tmp", "run"})
    make_directories(cat(root, "/", directory), 0755);
  make_file(root + "/bin/busybox", program, 0755);
  for (const auto& applet : program_names(root + "/bin/busybox"))
    if (applet != "busybox" && ::symlink("busybox", cat(root, "/bin/", applet).c_str()) != 0 && errno != EEXIST)
      throw_errno("make link", applet);
  make_file(root + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0644);
  make_file(root + "/etc/group", "root:x:0:\nnogroup:x:65534:\n", 0644);
  make_file(root + "/etc/os-release", "ID=udocker-hello\nNAME=\"udocker's carried image\"\n", 0644);
  auto platform = oci::host_platform();
  fresh.set_metadata(oci::minimal_image_config(platform.architecture, "linux", {"sh"},
                                               {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}));
  fresh.set_image(kHelloImage);
  return fresh.commit(name);
}

}  // namespace udocker::ops
