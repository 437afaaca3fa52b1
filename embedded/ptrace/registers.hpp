// The registers of a stopped thread: system call number, arguments, result, stack and instruction pointer.
#pragma once
#include <cstddef>
#include <cstdint>

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

namespace udocker::ptrace {

// The call itself: glibc and musl declare it differently. -1 and errno on failure.
template <class Address = long, class Data = long>
long trace(long what, pid_t tid, Address address = {}, Data data = {}) {
  return ::syscall(SYS_ptrace, what, tid, address, data);
}

#if defined(__x86_64__)

class Registers {
 public:
  bool load(pid_t tid) { return trace(PTRACE_GETREGS, tid, 0, &all_) == 0; }
  bool store(pid_t tid) { return trace(PTRACE_SETREGS, tid, 0, &all_) == 0; }

  bool compat() const { return all_.cs == 0x23; }
  long number() const { return static_cast<long>(all_.orig_rax); }
  void set_number(long number) { all_.orig_rax = static_cast<unsigned long long>(number); }
  long result() const { return static_cast<long>(all_.rax); }
  void set_result(long value) { all_.rax = static_cast<unsigned long long>(value); }
  uint64_t argument(int index, bool compat) const { return const_cast<Registers*>(this)->slot(index, compat); }
  void set_argument(int index, uint64_t value, bool compat) { slot(index, compat) = value; }
  uint64_t stack() const { return all_.rsp; }
  uint64_t pointer() const { return all_.rip; }
  // Makes the thread call again what it has just entered.
  void rewind(long number) {
    all_.rip -= 2;
    all_.rax = static_cast<unsigned long long>(number);
  }
  // Start of the stub: `value` is where its script lies.
  void start(uint64_t address, uint64_t value) {
    all_.rip = address;
    (compat() ? all_.rsp : all_.rbx) = value;
  }

 private:
  using Word = decltype(user_regs_struct::rdi);  // glibc and musl differ in its type, not in its size
  Word& slot(int index, bool compat) {
    Word* const native[] = {&all_.rdi, &all_.rsi, &all_.rdx, &all_.r10, &all_.r8, &all_.r9};
    Word* const narrow[] = {&all_.rbx, &all_.rcx, &all_.rdx, &all_.rsi, &all_.rdi, &all_.rbp};
    return compat ? *narrow[index] : *native[index];
  }
  user_regs_struct all_{};
};

#elif defined(__aarch64__)

class Registers {
 public:
  bool load(pid_t tid) {
    iovec io{&all_, sizeof all_};
    if (trace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) != 0) return false;
    number_ = first_ = static_cast<int>(all_.regs[8]);
    return true;
  }
  bool store(pid_t tid) {
    iovec io{&all_, sizeof all_};
    if (trace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io) != 0) return false;
    if (number_ == first_) return true;
    iovec call{&number_, sizeof number_};
    constexpr int kSystemCall = 0x404;  // NT_ARM_SYSTEM_CALL
    return trace(PTRACE_SETREGSET, tid, kSystemCall, &call) == 0;
  }

  bool compat() const { return false; }
  long number() const { return number_; }
  void set_number(long number) { number_ = static_cast<int>(number); }
  long result() const { return static_cast<long>(all_.regs[0]); }
  void set_result(long value) { all_.regs[0] = static_cast<uint64_t>(value); }
  uint64_t argument(int index, bool) const { return all_.regs[index]; }
  void set_argument(int index, uint64_t value, bool) { all_.regs[index] = value; }
  uint64_t stack() const { return all_.sp; }
  uint64_t pointer() const { return all_.pc; }
  void rewind(long number) {
    all_.pc -= 4;
    all_.regs[8] = static_cast<uint64_t>(number);
  }
  void start(uint64_t address, uint64_t value) {
    all_.pc = address;
    all_.regs[19] = value;
  }

 private:
  user_regs_struct all_{};
  int number_ = -1, first_ = -1;
};

#endif

#if defined(__x86_64__)
// At the entry of a call: true when it came by the 32-bit table, which 64-bit code can use too.
inline bool by_narrow_table(pid_t tid, const Registers& registers) {
  struct {
    uint8_t what, pad[3];
    uint32_t machine;
    uint64_t rest[10];
  } info{};
  constexpr long kGetSyscallInfo = 0x420e;
  constexpr uint32_t kMachine = 0x40000003;  // AUDIT_ARCH_I386
  if (trace(kGetSyscallInfo, tid, sizeof info, &info) > 0) return info.machine == kMachine;
  // Before Linux 5.3: the instruction tells.
  unsigned long code = 0;
  constexpr long kPeekText = 1;
  if (trace(kPeekText, tid, registers.pointer() - 2, &code) < 0) return registers.compat();
  return registers.compat() || (code & 0xffff) == 0x80cd;
}
#endif

}  // namespace udocker::ptrace
