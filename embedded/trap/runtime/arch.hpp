// What differs between processors: signal frames, registers at a trap, numbers only one of them has.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace udocker::trap {

struct AltStack {
  uint64_t base;
  int32_t flags, pad;
  uint64_t size;
};

struct SigInfo {
  int32_t signal, error, code, pad;
  union {
    struct {
      uint64_t call_address;
      int32_t number;
      uint32_t arch;
    };
    uint64_t fault_address;
    uint8_t fill[112];
  };
};

#if defined(__x86_64__)
inline constexpr uint32_t kNativeArch = 0xc000003e;

enum Greg { kR8, kR9, kR10, kR11, kR12, kR13, kR14, kR15, kRdi, kRsi, kRbp, kRbx, kRdx, kRax, kRcx, kRsp, kRip, kGregs = 23 };

struct Frame {  // the kernel's ucontext
  uint64_t flags, link;
  AltStack stack;
  uint64_t reg[kGregs];
  uint64_t fpu, reserved[8];
  uint64_t mask;

  uint64_t& pc() { return reg[kRip]; }
  uint64_t& sp() { return reg[kRsp]; }
  uint64_t& result() { return reg[kRax]; }
  void arguments(uint64_t* out) const {
    out[0] = reg[kRdi], out[1] = reg[kRsi], out[2] = reg[kRdx], out[3] = reg[kR10], out[4] = reg[kR8], out[5] = reg[kR9];
  }
};

// What entry_x86_64.S leaves on the stack for a patched site, lowest address first; the guest's red zone is above.
struct Site {
  uint64_t rbx, r12, r13, r14, r15, rbp, rdi, rsi, rdx, r10, r8, r9, rax, pc;

  uint64_t sp() const { return reinterpret_cast<uint64_t>(this + 1) + 128; }
  void arguments(uint64_t* out) const { out[0] = rdi, out[1] = rsi, out[2] = rdx, out[3] = r10, out[4] = r8, out[5] = r9; }
  void to_frame(Frame& frame) const {
    uint64_t* reg = frame.reg;
    reg[kRbx] = rbx, reg[kR12] = r12, reg[kR13] = r13, reg[kR14] = r14, reg[kR15] = r15, reg[kRbp] = rbp;
    reg[kRdi] = rdi, reg[kRsi] = rsi, reg[kRdx] = rdx, reg[kR10] = r10, reg[kR8] = r8, reg[kR9] = r9;
    reg[kRax] = rax, reg[kRip] = pc, reg[kRcx] = pc, reg[kRsp] = sp();
  }
};

// Below the guest's red zone while it runs trap_stack_return.
struct StackReturn {
  uint64_t first, second, pc, sp;
  AltStack stack;
};

inline constexpr uint64_t kCallSize = 2;  // bytes of a system call instruction

// A value that differs between threads of a process; vfork children have their parent's.
inline uint64_t thread_mark(bool fast) {
  uint64_t base = 0;
  if (fast) asm volatile("rdfsbase %0" : "=r"(base));
  return base;
}
#else
#error "the trap runtime knows no such processor"
#endif

}  // namespace udocker::trap
