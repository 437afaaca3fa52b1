// One call of the guest, from the stop to its result.
#pragma once
#include "embedded/trap/runtime/slots.hpp"

namespace udocker::trap {

// The result the guest shall see. Changes the frame where the call is about it (masks, signal stack).
long carry_out(const Trap& trap);

// execve as planned; returns only with an error.
long run_program(Slot* slot);

void stack_identity_filter();
bool program_of(void* context, int pid, guest::GuestPath& out);

}  // namespace udocker::trap
