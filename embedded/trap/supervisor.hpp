// The process that stays outside the container while it runs.
#pragma once
#include <functional>

#include <sys/types.h>

namespace udocker::trap {

enum class Leftovers { wait_for, kill };

// A child, which uses this process's memory until it does so, calls `program`: that executes it and returns only by
// throwing. The parent passes signals on,
// stops and continues with the child, and returns its status as a shell shows it. What outlives the child is waited
// for or killed.
int supervise(const std::function<void()>& program, Leftovers leftovers);

}  // namespace udocker::trap
