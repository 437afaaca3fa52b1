// Settings for one command line.
#pragma once
#include "cli/applet.hpp"
#include "config/settings.hpp"

namespace udocker::ops {

// Loads the settings that the general options of `args` ask for and sets the log level by them.
config::Settings settings_of(const cli::Arguments& args);

}  // namespace udocker::ops
