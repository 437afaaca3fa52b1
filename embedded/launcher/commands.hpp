// The commands of the OCI command line. Each takes its words and returns an exit status; errors are thrown.
#pragma once
#include "cli/applet.hpp"

#include <string>
#include <vector>

namespace udocker::launcher {

struct Global {
  std::string root;        // where states are kept
  bool debug = false;
  std::string log, log_format = "text";
};

struct Command {
  const char* name;
  const char* usage;
  const char* summary;
  std::span<const cli::Option> options;
  int (*run)(const Global&, const cli::Arguments&);
  int failure = 1;  // exit status of an error
};

extern const Command command_run, command_create, command_start, command_state, command_kill, command_delete,
    command_list, command_spec, command_features, command_exec, command_ps, command_pause, command_resume, command_host;

}  // namespace udocker::launcher
