// features: what this runtime can do, in the form of the runtime specification's features document.
#include "embedded/launcher/commands.hpp"
#include "host/capabilities.hpp"
#include "host/mounts.hpp"
#include "host/seccomp.hpp"
#include "util/json.hpp"
#include "util/log.hpp"

namespace udocker::launcher {
namespace {

json::Value list(const std::vector<std::string>& texts) {
  json::Array out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

int show_features(const Global&, const cli::Arguments& args) {
  args.at_most(0);
  json::Value out = json::Object{};
  out.at("ociVersionMin") = "1.0.0";
  out.at("ociVersionMax") = "1.2.0";
  out.at("hooks") = list({"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"});
  out.at("mountOptions") = list(host::known_mount_options());
  json::Value& linux = out.at("linux");
  linux.at("namespaces") = list({"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"});
  linux.at("capabilities") = list(host::all_capabilities());
  linux.at("cgroup") = json::Object{{"v1", false}, {"v2", true}, {"systemd", false}, {"systemdUser", false}, {"rdma", false}};
  linux.at("seccomp") = json::Object{{"enabled", true},
                                     {"actions", list(host::known_seccomp_actions())},
                                     {"operators", list(host::known_seccomp_operators())},
                                     {"archs", list(host::known_seccomp_architectures())},
                                     {"knownFlags", list({"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"})},
                                     {"supportedFlags", list({"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"})}};
  linux.at("apparmor") = json::Object{{"enabled", true}};
  linux.at("selinux") = json::Object{{"enabled", true}};
  linux.at("intelRdt") = json::Object{{"enabled", false}};
  linux.at("mountExtensions").at("idmap") = json::Object{{"enabled", true}};
  out.at("annotations").at("org.udocker.runc.version") = UDOCKER_VERSION;
  out.at("annotations").at("io.github.seccomp.libseccomp.version") = host::seccomp_library_version();
  log::output(json::to_pretty(out));
  return 0;
}

}  // namespace

const Command command_features{"features", "features", "show what this runtime can do", {}, show_features};

}  // namespace udocker::launcher
