// aarch64; see arch.hpp, which includes this.
#pragma once

namespace udocker::trap {

inline constexpr uint32_t kNativeArch = 0xc00000b7;

enum Greg { kX0, kX8 = 8, kSp = 31, kPc = 32, kGregs = 34 };

struct Frame {  // the kernel's ucontext
  uint64_t flags, link;
  AltStack stack;
  uint64_t mask;
  uint64_t reserved[16];
  uint64_t fault_address;
  uint64_t reg[kGregs];  // x0 to x30, sp, pc, pstate; vector registers lie behind

  uint64_t& pc() { return reg[kPc]; }
  uint64_t& sp() { return reg[kSp]; }
  uint64_t& result() { return reg[kX0]; }
  // The call is stopped: no result yet. An argument that looks like the kernel's -ERESTART… has moved the pc.
  void begin(const SigInfo& info) { reg[kPc] = info.call_address; }
  // Makes the call, whose instruction is at `pc`, once more.
  void call_again(long number, uint64_t pc) { reg[kX8] = static_cast<uint64_t>(number), reg[kPc] = pc; }
  void arguments(uint64_t* out) const {
    for (int i = 0; i < 6; ++i) out[i] = reg[i];
  }
};
static_assert(offsetof(Frame, reg) == 184);

// There are no patched sites: every call comes with a frame.
struct Site {
  long number() const { return 0; }
  uint64_t sp() const { return 0; }
  void arguments(uint64_t*) const {}
  void to_frame(Frame&) const {}
};

inline constexpr uint64_t kCallSize = 4;         // bytes of a system call instruction
inline constexpr uint64_t kFrameOnReturn = 128;  // where the frame is, from the stack pointer rt_sigreturn is called with
inline constexpr uint64_t kSmallestStack = 5120;  // sigaltstack refuses smaller ones
inline constexpr uint64_t kLargestPage = 65536;
inline constexpr uint64_t kProgramArea = 0xaaaaaaaa0000;  // relocatable programs begin here or, by chance, higher

extern uint64_t page_size;
inline void note_page_size(uint64_t size) { page_size = size; }

// A value that differs between threads of a process; vfork children have their parent's.
inline uint64_t thread_mark(bool) {
  uint64_t base;
  asm volatile("mrs %0, tpidr_el0" : "=r"(base));
  return base;
}
inline bool has_thread_mark(uint64_t) { return true; }

inline uint64_t ticks_per_millisecond() {
  uint64_t hertz;
  asm("mrs %0, cntfrq_el0" : "=r"(hertz));
  return hertz >> 10;
}

// A traced process as PTRACE_GETREGSET gives it.
struct TraceeRegisters {
  uint64_t word[kGregs];
  uint64_t& pc() { return word[kPc]; }
  long number() const { return static_cast<long>(word[kX8]); }  // of the call it is in or left last
};

inline constexpr uint64_t kBreakpoint = 0xd4200000, kBreakpointMask = 0xffffffff;
inline constexpr uint64_t kBehindBreakpoint = 0;  // where it stops, from the breakpoint

}  // namespace udocker::trap
