// Signals: SIGSYS stays ours, faults of the runtime become EFAULT, everything else is as without us.
#pragma once
#include "embedded/trap/runtime/slots.hpp"

namespace udocker::trap {

// Installs the handlers; called once per program. `first`: SIGSYS may still be blocked.
void start_signals(bool first);
// Before an execve: an ignored fault signal must be ignored by the kernel too.
void signals_before_exec();
void signals_after_failed_exec();

// The signal calls of the guest. `slot` holds copies of masks.
long on_sigaction(const Trap& trap);
long on_sigprocmask(const Trap& trap);
long on_sigaltstack(const Trap& trap);
// Calls that wait with another mask: the mask argument is replaced by a copy without SIGSYS.
long on_masked_wait(Slot* slot);

// The guest's own return from a handler: a mask its handler wrote must not block SIGSYS.
void return_from_handler(Frame* frame);

// Makes the guest's signal stack `wanted` once the handler for its call has returned.
bool change_stack_on_return(Frame& frame, const AltStack& wanted);

bool is_signal_call(long number);

}  // namespace udocker::trap
