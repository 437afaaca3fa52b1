#if defined(__aarch64__)
#include "embedded/trap/runtime/signals.hpp"

namespace udocker::trap {

// sigreturn sets the stack its frame names once the guest's stack pointer is back.
bool change_stack_on_return(Frame& frame, const AltStack& wanted) {
  frame.stack = wanted;
  return true;
}

}  // namespace udocker::trap
#endif
