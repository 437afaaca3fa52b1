// The engine inside itself: the new view is laid over the one this process already lives in.
#pragma once
#include "guest/view.hpp"

#include <string>
#include <vector>

namespace udocker::trap {

struct Settings;

// The settings of the trap engine this process runs under; null when it runs under none.
// Throws NotSupported when that engine is of another version.
const Settings* find_outer();

// A path of the outer view as the host has it.
std::string outer_path(const Settings& outer, const std::string& path);

// `view` names its host sides in the outer view; the result names them on the host and shows the outer view's mounts
// wherever they lie below a mount of `view`.
std::vector<char> merge_views(const Settings& outer, const std::vector<char>& view);

// execve past the outer view. Returns only with an error (errno value).
int execute_outside(const Settings& outer, const char* path, char* const* argv, char* const* envp);

}  // namespace udocker::trap
