// F modes: the command line of our preload engine (compatibility spec 6.10).
#include "engine/fmode.hpp"
#include "engine/plan.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker::engine {

Launch plan_preload(const RunPlan& plan) {
  Launch launch;
  if (plan.uid == 0) log::warning("this engine does not support execution as root (P, T and R modes do)");
  if (!plan.container_dir.empty() && fmode_was_moved(plan.container_dir, plan.mode))
    throw Error(cat("the container was moved since it was set up for mode ", mode_name(plan.mode), ": run `udocker setup --execmode=",
                    mode_name(plan.mode), " --force ", path_basename(plan.container_dir), "` first"));
  launch.argv = {"udocker-fakechroot", "--mode", std::string(mode_name(plan.mode))};
  if (!plan.cache_dir.empty()) launch.argv.insert(launch.argv.end(), {"--lib-dir", plan.cache_dir});
  if (plan.allow_static) launch.argv.push_back("--allow-static");
  if (!plan.host_executable.empty()) launch.argv.insert(launch.argv.end(), {"--preload", plan.host_executable});
  if (!plan.container_dir.empty()) {
    launch.argv.insert(launch.argv.end(), {"--library-path", fmode_library_path(plan.container_dir)});
    // A container can be run in F1 once without having been set up for it.
    if (find_file(plan.container_dir + "/execmode", 64).value_or("").starts_with("F")) launch.argv.push_back("--turned-links");
    if (plan.mode == Mode::F4)
      launch.argv.insert(launch.argv.end(), {"--patch-time", std::string(trim(find_file(plan.container_dir + "/patch.time").value_or("0")))});
  }
  if (!plan.first_library_dir.empty()) launch.argv.insert(launch.argv.end(), {"--libraries-first", plan.first_library_dir});
  for (const auto& bind : plan.binds) {
    launch.argv.push_back("-b");
    launch.argv.push_back(bind_argument(bind));
  }
  launch.argv.insert(launch.argv.end(), {"-r", plan.root, "-w", plan.workdir});
  launch.argv.insert(launch.argv.end(), plan.argv.begin(), plan.argv.end());
  launch.environment = plan.environment;
  return launch;
}

}  // namespace udocker::engine
