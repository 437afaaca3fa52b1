// The use case `run`: from options to a running program.
#pragma once
#include "ops/run_options.hpp"

namespace udocker::ops {

class Session;

// Finds or makes the container, plans, starts the engine. Returns the program's exit status, or does not return
// (this process becomes the engine) when nothing is left to do afterwards.
// Throws Error; exit code 2 for what is wrong with the container or the request, 1 for usage.
int run_container(Session& session, const RunOptions& options);

}  // namespace udocker::ops
