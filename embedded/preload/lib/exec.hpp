// Starting programs under the view.
#pragma once
#include "state.hpp"

namespace udocker::preload {

// execveat as the guest means it; -1 with errno.
long exec_file(int dir, const char* path, char** argv, char** envp, int flags);
// A value of the process's own environment; null when it is not set.
const char* variable(const char* name_and_equals);
char** own_environment();

}  // namespace udocker::preload
