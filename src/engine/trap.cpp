// T modes: the command line of the trap engine. T1 keeps patched copies of libraries beside the engine's files.
#include "engine/plan.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker::engine {

Launch plan_trap(const RunPlan& plan) {
  if (!plan.qemu.empty()) throw NotSupported("the trap engine cannot run programs of other machines", "use execution mode P1");
  Launch launch;
  launch.argv.push_back("udocker-trap");
  if (plan.verbosity >= 5) launch.argv.insert(launch.argv.end(), {"-v", "1"});
  if (plan.kill_on_exit) launch.argv.push_back("--kill-on-exit");
  if (plan.link_to_symlink) launch.argv.push_back("--link2symlink");
  if (!plan.cache_dir.empty()) {
    launch.argv.push_back(cat("--lib=", plan.cache_dir));
    if (plan.mode == Mode::T1) launch.argv.push_back(cat("--cache=", plan.cache_dir, "/trap"));
  }
  auto view = view_arguments(plan);
  launch.argv.insert(launch.argv.end(), view.begin(), view.end());
  launch.argv.insert(launch.argv.end(), plan.argv.begin(), plan.argv.end());
  launch.environment = plan.environment;
  return launch;
}

}  // namespace udocker::engine
