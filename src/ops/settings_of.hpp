// Settings for one command line.
#pragma once
#include "cli/applet.hpp"
#include "config/settings.hpp"

namespace udocker::ops {

// Loads the settings that the general options of `args` ask for and sets the log level by them.
config::Settings settings_of(const cli::Arguments& args);
// The same with a container's own container.conf between the repository's file and --config.
config::Settings settings_of(const cli::Arguments& args, const std::string& container_file);

}  // namespace udocker::ops
