// From a parsed command line to a running container.
#pragma once
#include "cli/view_options.hpp"

#include <string>
#include <vector>

namespace udocker::trap {

struct Folders {
  std::string lib, cache;
};

// Runs the program and returns its status. A program for another word size is handed to the ptrace engine with the
// same `words`. Throws Error.
int launch(const cli::ViewOptions& options, const Folders& folders, const std::vector<std::string>& words);

}  // namespace udocker::trap
