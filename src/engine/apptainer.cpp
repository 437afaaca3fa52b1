// S1: the command line of the host's apptainer or singularity (compatibility spec 6.14).
#include "engine/plan.hpp"

#include "host/self.hpp"
#include "host/users.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>

#include <pwd.h>
#include <unistd.h>

namespace udocker::engine {
namespace {

bool covers(const RunPlan& plan, std::string_view target) {
  return std::ranges::any_of(plan.binds, [&](const Bind& bind) { return bind.guest == target; });
}

bool has_subordinate_ids() {
  const passwd* entry = ::getpwuid(::geteuid());
  std::string name = entry ? entry->pw_name : std::to_string(::geteuid());
  for (const char* file : {"/etc/subuid", "/etc/subgid"}) {
    auto text = find_file(file).value_or("");
    auto lines = split(text, '\n');
    bool found = std::ranges::any_of(lines, [&](const std::string& line) {
      return line.starts_with(name + ":") || line.starts_with(cat(::geteuid(), ":"));
    });
    if (!found) return false;
  }
  return true;
}

std::string find_executable(const RunPlan& plan) {
  const char* path = std::getenv("PATH");
  if (!plan.host_executable.empty()) return plan.host_executable;
  for (const char* name : {"apptainer", "singularity"})
    if (auto found = find_program(name, path ? path : "/usr/local/bin:/usr/bin:/bin")) return *found;
  throw NotSupported("apptainer or singularity executable not found",
                     "install one of them or set use_singularity_executable, or use mode P1, T1, F1 or R1");
}

// Environment of the host that goes along: what the program itself needs, nothing of its own prefix.
std::vector<std::string> host_environment() {
  std::vector<std::string> out;
  for (const auto& entry : host::environment())
    if (!entry.starts_with("SINGULARITYENV_") && !entry.starts_with("APPTAINERENV_") && !entry.starts_with("VTE_VERSION="))
      out.push_back(entry);
  return out;
}

}  // namespace

Launch plan_apptainer(const RunPlan& plan) {
  Launch launch;
  launch.program = find_executable(plan);
  if (plan.uid != 0 && plan.user_name != host::current_user().name) log::warning("running as another user not supported");
  std::string help = run_captured({launch.program, "help", "exec"}).output;
  auto& argv = launch.argv;
  argv = {launch.program};
  if (plan.verbosity >= 5) {
    argv.insert(argv.end(), {"--debug", "-v"});
  } else {
    std::string general = run_captured({launch.program, "help"}).output;
    for (const char* quiet : {"--silent", "--quiet"})
      if (general.find(quiet) != std::string::npos) {
        argv.push_back(quiet);
        break;
      }
  }
  argv.push_back("exec");
  argv.insert(argv.end(), plan.host_executable_options.begin(), plan.host_executable_options.end());
  if (plan.uid == 0 && ::geteuid() != 0 && help.find("--fakeroot") != std::string::npos && has_subordinate_ids()) argv.push_back("--fakeroot");
  argv.insert(argv.end(), {"--pwd", plan.workdir});
  for (const auto& bind : plan.binds)
    argv.insert(argv.end(), {"-B", cat(bind.host, ":", bind.guest, bind.access == Access::read_only ? ":ro" : "")});
  // Folders that apptainer expects; made like any program in the container could make them.
  for (const char* dir : {"/var/tmp", "/tmp", "/proc", "/dev", "/sys", "/root"})
    if (::access(plan.root.c_str(), W_OK) == 0) make_directories(plan.root + dir, 0755);
  if (!covers(plan, "/root") && !covers(plan, plan.user_home)) argv.insert(argv.end(), {"--home", cat(plan.root, "/root:/root")});
  for (const char* dir : {"/tmp", "/var/tmp"})
    if (!covers(plan, dir)) argv.insert(argv.end(), {"-B", cat(plan.root, dir, ":", dir)});
  argv.push_back(plan.root);
  for (std::size_t i = 0; i < plan.argv.size(); ++i) argv.push_back(i == 0 && !plan.executable.empty() ? plan.executable : plan.argv[i]);
  launch.environment = host_environment();
  for (const auto& entry : plan.environment) launch.environment.push_back(cat("SINGULARITYENV_", entry));
  return launch;
}

}  // namespace udocker::engine
