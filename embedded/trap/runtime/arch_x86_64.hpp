// x86_64; see arch.hpp, which includes this.
#pragma once

namespace udocker::trap {

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
  // The call is stopped: no result yet.
  void begin(const SigInfo& info) { reg[kRax] = static_cast<uint64_t>(static_cast<long>(info.number)); }
  // Makes the call, whose instruction is at `pc`, once more.
  void call_again(long number, uint64_t pc) { reg[kRax] = static_cast<uint64_t>(number), reg[kRip] = pc; }
  void arguments(uint64_t* out) const {
    out[0] = reg[kRdi], out[1] = reg[kRsi], out[2] = reg[kRdx], out[3] = reg[kR10], out[4] = reg[kR8], out[5] = reg[kR9];
  }
};

// What entry_x86_64.S leaves on the stack for a patched site, lowest address first; the guest's red zone is above.
struct Site {
  uint64_t rbx, r12, r13, r14, r15, rbp, rdi, rsi, rdx, r10, r8, r9, rax, pc;

  long number() const { return static_cast<long>(rax); }
  uint64_t sp() const { return reinterpret_cast<uint64_t>(this + 1) + 128; }
  void arguments(uint64_t* out) const { out[0] = rdi, out[1] = rsi, out[2] = rdx, out[3] = r10, out[4] = r8, out[5] = r9; }
  void to_frame(Frame& frame) const {
    uint64_t* reg = frame.reg;
    reg[kRbx] = rbx, reg[kR12] = r12, reg[kR13] = r13, reg[kR14] = r14, reg[kR15] = r15, reg[kRbp] = rbp;
    reg[kRdi] = rdi, reg[kRsi] = rsi, reg[kRdx] = rdx, reg[kR10] = r10, reg[kR8] = r8, reg[kR9] = r9;
    reg[kRax] = rax, reg[kRip] = pc, reg[kRcx] = pc, reg[kRsp] = sp();
  }
};

inline constexpr uint64_t kCallSize = 2;  // bytes of a system call instruction
inline constexpr uint64_t kFrameOnReturn = 0;  // where the frame is, from the stack pointer rt_sigreturn is called with
inline constexpr uint64_t kSmallestStack = 2048;  // sigaltstack refuses smaller ones
inline constexpr uint64_t page_size = 4096, kLargestPage = 4096;
inline constexpr uint64_t kProgramArea = 0x555555554000;  // relocatable programs begin here or, by chance, higher

inline void note_page_size(uint64_t) {}

// A value that differs between threads of a process; vfork children have their parent's.
inline uint64_t thread_mark(bool fast) {
  uint64_t base = 0;
  if (fast) asm volatile("rdfsbase %0" : "=r"(base));
  return base;
}
inline bool has_thread_mark(uint64_t hwcap2) { return (hwcap2 & 2) != 0; }  // HWCAP2_FSGSBASE

inline uint64_t ticks_per_millisecond() { return 1u << 20; }  // of the counters there are, a third of one to one

// A traced process as PTRACE_GETREGSET gives it.
struct TraceeRegisters {
  uint64_t word[27];
  uint64_t& pc() { return word[16]; }
  long number() const { return static_cast<long>(word[15]); }  // of the call it is in or left last
};

inline constexpr uint64_t kBreakpoint = 0xcc, kBreakpointMask = 0xff;
inline constexpr uint64_t kBehindBreakpoint = 1;  // where it stops, from the breakpoint

}  // namespace udocker::trap
