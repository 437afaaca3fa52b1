// R modes: the launch of our OCI launcher, with our ptrace engine inside for R2 and R3, or of the host's runtime.
#include "engine/oci_mode.hpp"

#include "guest/owners.hpp"
#include "host/mounts.hpp"
#include "host/self.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::engine {
namespace {

constexpr const char* kInside = "/dev/.udocker/";  // in the container's own /dev: leaves no trace in ROOT

// Where parts of /proc are covered, as inside Docker, the kernel allows no new one: the one that is there is shown.
bool proc_is_covered() {
  for (const auto& entry : host::parse_mountinfo(find_file("/proc/self/mountinfo").value_or("")))
    if (entry.target.starts_with("/proc/") && entry.type != "binfmt_misc" && entry.type != "autofs") return true;
  return false;
}

// R2 and R3: what the one mapped id cannot do is emulated by the ptrace engine, started inside the namespaces.
void wrap_in_ptrace(oci::Config& config, const RunPlan& plan) {
  std::vector<std::string> argv = {"udocker-proot"};
  // The engine finds processes in /proc by their numbers: these must be those of the /proc that it will see.
  if (proc_is_covered()) std::erase_if(config.namespaces, [](const oci::Namespace& entry) { return entry.type == "pid"; });
  if (plan.mode == Mode::R3 || !plan.seccomp) argv.push_back("--no-seccomp");
  if (plan.kill_on_exit) argv.push_back("--kill-on-exit");
  if (plan.link_to_symlink) argv.push_back("--link2symlink");
  bool own_dev = true;
  for (const auto& bind : plan.binds) own_dev &= bind.guest != "/dev";
  if (!plan.container_dir.empty() && own_dev && !plan.read_only_root) {
    std::string file = cat(plan.container_dir, "/owners");
    guest::Owners owners;
    if (owners.open(file.c_str(), plan.root.c_str(), guest::Owners::Mode::read_write) == 0) {
      owners.close();
      for (const char* suffix : {"", ".xattr"})
        if (path_exists(file + suffix))
          config.mounts.push_back({cat(kInside, "owners", suffix), "none", file + suffix, {"bind", "nosuid", "nodev"}, {}, {}});
      argv.insert(argv.end(), {"--owners", cat(kInside, "owners")});
      // A layer for mount points may give the root another inode; this store has just been opened for the real one.
      struct stat store {}, root {};
      if (::stat(file.c_str(), &store) == 0 && ::stat(plan.root.c_str(), &root) == 0 && store.st_dev == root.st_dev)
        argv.push_back("--trust-owners");
    }
  }
  if (plan.uid == 0) argv.push_back("-0");
  else argv.insert(argv.end(), {"-i", cat(plan.uid, ":", plan.gid)});
  if (!plan.kernel_release.empty()) argv.insert(argv.end(), {"-k", plan.kernel_release});
  argv.insert(argv.end(), {"-r", "/", "-w", plan.workdir});
  std::vector<std::string> program = config.process.args;
  if (!program.empty() && !plan.executable.empty()) program[0] = plan.executable;
  argv.insert(argv.end(), program.begin(), program.end());
  config.process.args = std::move(argv);
}

int config_descriptor(const oci::Config& config) {
  std::string text = json::to_compact(oci::to_json(config));
  UniqueFd file(::memfd_create("config.json", 0));  // inherited by the launcher
  if (!file) throw_errno("create", "memory file for the container's configuration");
  write_all(file.get(), text, "the container's configuration");
  ::lseek(file.get(), 0, SEEK_SET);
  return file.release();
}

}  // namespace

Launch plan_launcher(const RunPlan& plan) {
  bool of_host = !plan.host_executable.empty();
  oci::Config config = make_config(plan, read_oci_facts(), of_host ? Runtime::of_host : Runtime::own);
  bool emulated = plan.mode == Mode::R2 || plan.mode == Mode::R3;
  if (emulated && of_host)
    throw NotSupported(cat("execution mode ", mode_name(plan.mode), " works with udocker's own launcher only"),
                       "unset use_runc_executable, or use R1");
  if (emulated) wrap_in_ptrace(config, plan);
  Launch launch;
  int fd = config_descriptor(config);
  launch.keep_fds = {fd};
  launch.environment = host::environment();  // the container's own is in the configuration
  launch.argv = {"udocker-runc"};
  if (plan.verbosity >= 5) launch.argv.push_back("--debug");
  if (of_host) {
    launch.argv.insert(launch.argv.end(), {"host", "--config", cat("fd:", fd), "--tmp-dir", plan.tmp_dir.empty() ? "/tmp" : plan.tmp_dir,
                                           plan.host_executable, plan.id});
    return launch;
  }
  launch.argv.insert(launch.argv.end(), {"run", "--direct", "--config", cat("fd:", fd)});
  if (!plan.container_dir.empty()) launch.argv.insert(launch.argv.end(), {"--work-dir", plan.container_dir});
  if (emulated) launch.argv.push_back("--self");
  else if (!plan.executable.empty()) launch.argv.insert(launch.argv.end(), {"--executable", plan.executable});
  launch.argv.push_back(plan.id.empty() ? "direct" : plan.id);
  return launch;
}

}  // namespace udocker::engine
