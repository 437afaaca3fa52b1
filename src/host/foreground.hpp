// Running one program in the foreground on behalf of a terminal or a batch system.
#pragma once
#include <functional>

namespace udocker::host {

// Forks; the child runs `start`, which must not return normally (it executes a program or throws). Until the child
// ends, signals sent to this process are passed on to it (those of the terminal reach it anyway), and a stop or
// continue of the child stops or continues this process. Returns the child's status: its code, or 128+n.
int run_foreground(const std::function<void()>& start);

}  // namespace udocker::host
