#include "engine/plan.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker::engine {

Launch plan_launch(const RunPlan& plan) {
  switch (family_of(plan.mode)) {
    case Family::ptrace: return plan_ptrace(plan);
    case Family::preload: return plan_preload(plan);
    case Family::trap: return plan_trap(plan);
    case Family::launcher: return plan_launcher(plan);
    case Family::apptainer: return plan_apptainer(plan);
    default:
      throw NotSupported(cat("this build has no engine for execution mode ", mode_name(plan.mode)));
  }
}

}  // namespace udocker::engine
