// P modes: the command line of our ptrace engine, or of the host's PRoot (compatibility spec 6.9).
#include "engine/plan.hpp"

#include "util/process.hpp"
#include "util/strings.hpp"

namespace udocker::engine {

namespace {

void add_view(std::vector<std::string>& argv, const RunPlan& plan, bool own) {
  for (const auto& bind : plan.binds) {
    argv.push_back("-b");
    argv.push_back(own ? bind_argument(bind) : cat(bind.host, ":", bind.guest));
  }
  if (plan.uid == 0 && (plan.gid == 0 || !own)) {
    argv.push_back("-0");
  } else {
    argv.push_back("-i");
    argv.push_back(cat(plan.uid, ":", plan.gid));
  }
  if (!plan.kernel_release.empty()) {
    argv.push_back("-k");
    argv.push_back(plan.kernel_release);
  }
  for (const auto& port : plan.ports) {
    argv.push_back("-p");
    argv.push_back(cat(port.container, ":", port.host));
  }
  if (plan.publish_all || plan.netcoop) argv.push_back("-n");
  argv.insert(argv.end(), {"-r", plan.root, "-w", plan.workdir});
}

}  // namespace

std::string bind_argument(const Bind& bind) {
  return cat(bind.host, ":", bind.guest, bind.access == Access::read_only ? ":ro" : "", bind.listed ? "" : ":unlisted");
}

std::vector<std::string> view_arguments(const RunPlan& plan) {
  std::vector<std::string> argv;
  if (!plan.hostname.empty()) argv.insert(argv.end(), {"--hostname", plan.hostname});
  if (!plan.container_dir.empty()) argv.insert(argv.end(), {"--owners", cat(plan.container_dir, "/owners")});
  add_view(argv, plan, true);
  return argv;
}

Launch plan_ptrace(const RunPlan& plan) {
  Launch launch;
  bool own = plan.host_executable.empty();
  launch.program = plan.host_executable;
  launch.argv.push_back(own ? "udocker-proot" : plan.host_executable);
  if (plan.verbosity >= 5) launch.argv.insert(launch.argv.end(), {"-v", own ? "1" : "9"});
  // A PRoot of the host's may be older than these.
  std::string known = own ? "" : run_captured({plan.host_executable, "--help"}).output;
  auto add_if_known = [&](bool wanted, const char* option) {
    if (wanted && (own || known.find(option) != std::string::npos)) launch.argv.push_back(option);
  };
  add_if_known(plan.kill_on_exit, "--kill-on-exit");
  add_if_known(plan.link_to_symlink, "--link2symlink");
  if (own && !plan.seccomp) launch.argv.push_back("--no-seccomp");
  if (!plan.qemu.empty()) launch.argv.insert(launch.argv.end(), {"-q", plan.qemu});
  if (own) {
    auto view = view_arguments(plan);
    launch.argv.insert(launch.argv.end(), view.begin(), view.end());
  } else {
    add_view(launch.argv, plan, false);
  }
  launch.argv.insert(launch.argv.end(), plan.argv.begin(), plan.argv.end());
  launch.environment = plan.environment;
  if (!own) {
    if (!plan.seccomp) launch.environment.push_back("PROOT_NO_SECCOMP=1");
    launch.environment.push_back(cat("PROOT_TMP_DIR=", plan.tmp_dir));
  }
  return launch;
}

}  // namespace udocker::engine
