// Tracers inside (gdb, strace): what they wait for must not show our signals nor the runtime's first steps.
#pragma once
#include "embedded/trap/runtime/slots.hpp"

namespace udocker::trap {

// ptrace() of the guest. A vfork child's PTRACE_TRACEME waits for its execve: stopped before it would hold its parent.
long on_ptrace(const Trap& trap);
void trace_before_exec();

// wait4() of the guest: a child that stopped for our SIGSYS goes on, one that has become a new program goes on to its
// first instruction, and neither is reported before.
long on_wait(Slot* slot);

}  // namespace udocker::trap
