#if defined(__x86_64__)
#include "embedded/trap/runtime/process.hpp"
#include "embedded/trap/runtime/signals.hpp"

extern "C" void trap_stack_return();

namespace udocker::trap {
namespace {

// Below the guest's red zone while it runs trap_stack_return.
struct StackReturn {
  uint64_t first, second, pc, sp;
  AltStack stack;
};

}  // namespace

// The signal stack cannot be changed while a handler runs on it, and sigreturn does not change it then either: the
// guest makes the call itself on its way back, at trap_stack_return.
bool change_stack_on_return(Frame& frame, const AltStack& wanted) {
  StackReturn back;
  back.first = frame.reg[kRdi];
  back.second = frame.reg[kRsi];
  back.pc = frame.pc();
  back.stack = wanted;
  uint64_t sp = ((frame.sp() - 128) & ~uint64_t{15}) - sizeof back;
  back.sp = frame.sp();
  if (write_guest(sp, back)) return false;
  frame.sp() = sp;
  frame.reg[kRdi] = sp + offsetof(StackReturn, stack);
  frame.reg[kRsi] = 0;
  frame.pc() = reinterpret_cast<uint64_t>(trap_stack_return);
  return true;
}

}  // namespace udocker::trap
#endif
