// The seccomp programs of the trap engine.
#pragma once
#include "guest/view.hpp"

#include <vector>

#include <linux/filter.h>

namespace udocker::trap {

enum class Patch { no, yes };

// Installed once, by the runtime: stops the guest's calls that matter, lets the runtime's own pass.
// `root_fd`: the number of ROOT's descriptor, which the guest must not close nor replace; -1: there is none.
// Throws Error when it does not fit the kernel's limit.
std::vector<sock_filter> make_filter(const guest::View& view, Patch patch, int root_fd);

// Added by a process whose emulated ids are no longer those of the start: its queries of ids stop.
std::vector<sock_filter> make_query_filter();

}  // namespace udocker::trap
