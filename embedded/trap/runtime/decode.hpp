// Just enough of the instruction set to find where instructions begin.
#pragma once

namespace udocker::trap {

// Length of the instruction; 0 when it is none. May look at 15 bytes.
unsigned instruction_length(const unsigned char* code);

}  // namespace udocker::trap
