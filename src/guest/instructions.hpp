// Just enough of the instruction set of x86_64 to find where instructions begin.
#pragma once

namespace udocker::guest {

// Length of the instruction; 0 when it is none. May look at 15 bytes.
unsigned instruction_length(const unsigned char* code);

}  // namespace udocker::guest
