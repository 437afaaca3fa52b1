// Starting programs under the view.
#pragma once
#include "state.hpp"

namespace udocker::preload {

// execveat as the guest means it; -1 with errno.
long exec_file(int dir, const char* path, char** argv, char** envp, int flags);
// posix_spawn of a path; an errno value, 0 for success.
long spawn_file(long pid, const char* path, long actions, long attributes, char** argv, char** envp);
// A value of the process's own environment; null when it is not set.
const char* variable(const char* name_and_equals);
char** own_environment();

}  // namespace udocker::preload
