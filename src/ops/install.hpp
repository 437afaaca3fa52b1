// Putting the program's other names in place. Nothing is downloaded: the program carries its engines.
#pragma once
#include "config/settings.hpp"

#include <string>

namespace udocker::ops {

enum class Replace { no, yes };

// Copies this program to BINDIR/udocker and links the engine names the Python tool and its users look for there.
// A file that is not ours is replaced only with Replace::yes. Never writes lib/VERSION: the Python tool sharing the
// directory must still install its own engines.
void install_engines(const config::Settings& settings, Replace replace);
// Removes what install_engines made and nothing else.
void purge_engines(const config::Settings& settings);
// Makes DIR/NAME -> this program for `udocker` and all engine names.
void install_links(const std::string& directory, Replace replace);

}  // namespace udocker::ops
