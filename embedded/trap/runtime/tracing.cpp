#include "embedded/trap/runtime/tracing.hpp"

#include "embedded/trap/runtime/abi.hpp"
#include "embedded/trap/runtime/process.hpp"

#include <linux/ptrace.h>
#include <linux/signal.h>
#include <linux/wait.h>

extern "C" {
void _start();
extern const char trap_leave[];  // the last instruction before the guest's first
}

namespace udocker::trap {
namespace {

constexpr int kSeccompCode = 1;
constexpr uint64_t kGeneralRegisters = 1;  // NT_PRSTATUS

// How a tracee was last let go, if not by PTRACE_CONT.
struct Resumed {
  int pid, request;
};
Resumed resumed[64];
int traceme_of;  // the vfork child that asked to be traced

Resumed* find_resumed(int pid) {
  for (Resumed& entry : resumed)
    if (entry.pid == pid) return &entry;
  return nullptr;
}

void note_resumed(int pid, int request) {
  Resumed* entry = find_resumed(pid);
  if (request == PTRACE_CONT) {
    if (entry) entry->pid = 0;
    return;
  }
  if (!entry) entry = find_resumed(0);
  if (entry) *entry = {pid, request};
}

long ask(long request, int pid, uint64_t at = 0, uint64_t data = 0) {
  return call(__NR_ptrace, request, pid, static_cast<long>(at), static_cast<long>(data));
}

constexpr bool stopped(int status) { return (status & 0xff) == 0x7f; }
constexpr int signal_of(int status) { return (status >> 8) & 0xff; }
constexpr int event_of(int status) { return status >> 16; }
constexpr int kStepped = SIGTRAP << 8 | 0x7f;

bool move_registers(long request, int pid, TraceeRegisters& registers) {
  uint64_t vector[2] = {reinterpret_cast<uint64_t>(&registers), sizeof registers};
  return ask(request, pid, kGeneralRegisters, reinterpret_cast<uint64_t>(vector)) == 0;
}
bool registers_of(int pid, TraceeRegisters& registers) { return move_registers(PTRACE_GETREGSET, pid, registers); }

// Lets the tracee go and waits for it; false when it did not stop for this, and then `status` is what to report.
bool resume(int pid, long request, int signal, int& status) {
  if (ask(request, pid, 0, static_cast<uint64_t>(signal))) return false;
  long done;
  do done = call(__NR_wait4, pid, address(&status), __WALL, 0);
  while (done == -EINTR);
  return done == pid && stopped(status) && (signal_of(status) & 0x7f) == SIGTRAP;
}

// From the runtime's first instruction to the guest's.
void skip_start(int pid, int& status) {
  uint64_t at = reinterpret_cast<uint64_t>(trap_leave), text = 0;
  int now = status;
  if (ask(PTRACE_PEEKTEXT, pid, at, reinterpret_cast<uint64_t>(&text))) return;
  if (ask(PTRACE_POKETEXT, pid, at, (text & ~kBreakpointMask) | kBreakpoint)) return;
  TraceeRegisters registers;
  if (!resume(pid, PTRACE_CONT, 0, now) || !registers_of(pid, registers) || registers.pc() != at + kBehindBreakpoint) {
    status = now;
    return;
  }
  ask(PTRACE_POKETEXT, pid, at, text);
  registers.pc() = at;
  move_registers(PTRACE_SETREGSET, pid, registers);
  if (!resume(pid, PTRACE_SINGLESTEP, 0, now)) status = now;
}

// A step over a call that is carried out in a handler ends behind the handler's return.
void step_over(int pid, int& status) {
  TraceeRegisters registers;
  int signal = SIGSYS;
  for (bool returning = false;; signal = 0) {
    if (!resume(pid, PTRACE_SYSCALL, signal, status) || !registers_of(pid, registers)) return;
    if (event_of(status)) return;
    if (registers.pc() == reinterpret_cast<uint64_t>(_start)) {
      skip_start(pid, status);
      return;
    }
    if (returning) break;
    returning = registers.number() == __NR_rt_sigreturn;
  }
  status = kStepped;
}

// True when the tracer need not hear of it.
bool hide(int pid, int& status) {
  TraceeRegisters registers;
  const Resumed* entry = find_resumed(pid);
  // Who stops at calls (strace) counts entries and exits: nothing may be left out.
  if (entry && entry->request == PTRACE_SYSCALL) return false;
  int signal = signal_of(status), event = event_of(status);
  if (signal == SIGTRAP && (event == 0 || event == PTRACE_EVENT_EXEC)) {
    if (registers_of(pid, registers) && registers.pc() == reinterpret_cast<uint64_t>(_start)) skip_start(pid, status);
    return false;
  }
  if (signal != SIGSYS || event) return false;
  SigInfo info;
  if (ask(PTRACE_GETSIGINFO, pid, 0, reinterpret_cast<uint64_t>(&info)) || info.code != kSeccompCode) return false;
  if (entry) {
    step_over(pid, status);
    return false;
  }
  return ask(PTRACE_CONT, pid, 0, SIGSYS) == 0;
}

}  // namespace

long on_ptrace(const Trap& trap) {
  auto request = static_cast<long>(trap.arg[0]);
  int pid = static_cast<int>(trap.arg[1]);
  if (request == PTRACE_TRACEME && in_borrowed_memory()) {
    traceme_of = static_cast<int>(call(__NR_getpid));
    return 0;
  }
  if (request == PTRACE_CONT || request == PTRACE_SYSCALL || request == PTRACE_SINGLESTEP) note_resumed(pid, static_cast<int>(request));
  return call(__NR_ptrace, request, pid, static_cast<long>(trap.arg[2]), static_cast<long>(trap.arg[3]));
}

void trace_before_exec() {
  if (!traceme_of || traceme_of != call(__NR_getpid)) return;
  traceme_of = 0;
  ask(PTRACE_TRACEME, 0);
}

long on_wait(Slot* slot) {
  const Trap& trap = *slot->trap;
  int& status = *reinterpret_cast<int*>(slot->task.small);
  for (;;) {
    long result = trap_final_call(__NR_wait4, static_cast<long>(trap.arg[0]), trap.arg[1] ? address(&status) : 0,
                                  static_cast<long>(trap.arg[2]), static_cast<long>(trap.arg[3]), 0, 0);
    if (result <= 0 || !trap.arg[1]) return result;
    slot->done = 1;
    if (stopped(status) && hide(static_cast<int>(result), status)) {
      slot->done = 0;
      continue;
    }
    return write_guest(trap.arg[1], status) ? -EFAULT : result;
  }
}

}  // namespace udocker::trap
