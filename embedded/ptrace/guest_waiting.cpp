// wait4 and waitid of tracers inside the container: the kernel knows nothing of what they trace.
//
// A report that is there is the answer. Otherwise the call runs, for children end without our doing; PTRACE_INTERRUPT
// makes it start again when a report comes. Where the kernel would say that there is nothing to wait for, it runs as a
// pause instead, whose interruption is turned into that of a wait.
#include <cerrno>
#include <cstring>

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "embedded/ptrace/engine.hpp"
#include "embedded/ptrace/guest_tracing.hpp"

namespace udocker::ptrace {

namespace {

// The kernel's own: the call starts again, unless a handler without SA_RESTART (SYS), any handler (NOHAND) runs.
constexpr long kRestart = -512, kRestartNoHandler = -514;

}  // namespace

struct GuestTracing::Wanted {
  pid_t id = -1;     // > 0: this thread; -1: any; 0: of the caller's group; < -1: of that group
  bool ends = true;
  bool no_hang = false, keep = false, by_info = false;
  uint64_t status = 0, info = 0, usage = 0;

  bool takes(pid_t tid, pid_t group) const { return id == -1 || id == tid || (id <= 0 && group == -id); }

  static bool parse(const guest::Call& call, pid_t caller, Wanted& out) {
    uint64_t options;
    if (call.number == SYS_waitid) {
      auto value = static_cast<pid_t>(call.arg[1]);
      switch (static_cast<int>(call.arg[0])) {
        case P_ALL: out.id = -1; break;
        case P_PID: out.id = value; break;
        case P_PGID: out.id = value == 0 ? -::getpgid(caller) : -value; break;
        default: return false;
      }
      options = call.arg[3];
      out.by_info = true;
      out.info = call.arg[2];
      out.usage = call.arg[4];
      out.ends = options & WEXITED;
      out.keep = options & WNOWAIT;
    } else {
      out.id = static_cast<pid_t>(call.arg[0]);
      if (out.id == 0) out.id = -::getpgid(caller);
      options = call.arg[2];
      out.status = call.arg[1];
      out.usage = call.arg[3];
    }
    out.no_hang = options & WNOHANG;
    return true;
  }

  long give(TraceeMemory& memory, pid_t tid, int told, const rusage& times) const {
    if (usage && memory.write(usage, &times, sizeof times) < 0) return -EFAULT;
    if (!by_info) {
      int value = told & 0xffffff;
      return status && memory.write(status, &value, sizeof value) < 0 ? -EFAULT : tid;
    }
    siginfo_t details{};
    details.si_signo = SIGCHLD;
    details.si_pid = tid;
    details.si_uid = ::getuid();
    if (WIFSTOPPED(told)) {
      details.si_code = CLD_TRAPPED;
      details.si_status = told >> 8;
    } else {
      details.si_code = WIFEXITED(told) ? CLD_EXITED : WCOREDUMP(told) ? CLD_DUMPED : CLD_KILLED;
      details.si_status = WIFEXITED(told) ? WEXITSTATUS(told) : WTERMSIG(told);
    }
    return info && memory.write(info, &details, sizeof details) < 0 ? -EFAULT : 0;
  }
};

bool GuestTracing::find_report(Tracer& tracer, pid_t caller, const Wanted& wanted, TraceeMemory& memory, long& result) {
  for (auto gone = tracer.gone.begin(); wanted.ends && gone != tracer.gone.end(); ++gone) {
    if (!wanted.takes(gone->tid, 0)) continue;
    result = wanted.give(memory, gone->tid, gone->status, gone->usage);
    if (!wanted.keep) tracer.gone.erase(gone);
    return true;
  }
  for (auto& [tid, tracee] : engine_.tracees_) {
    TracedState* traced = tracee->traced.get();
    if (!traced || traced->tracer != caller || !traced->held || traced->told) continue;
    if (!wanted.takes(tid, wanted.id < -1 ? ::getpgid(tid) : 0)) continue;
    result = wanted.give(memory, tid, traced->report.status, traced->usage);
    traced->told = !wanted.keep;
    return true;
  }
  return false;
}

// Whether a traced thread may yet give such a report. `natural`: and the kernel waits for that very one too.
bool GuestTracing::may_come(pid_t caller, const Wanted& wanted, bool& natural) const {
  bool some = false;
  natural = false;
  for (auto& [tid, tracee] : engine_.tracees_) {
    if (!tracee->traced || tracee->traced->tracer != caller) continue;
    if (!wanted.takes(tid, wanted.id < -1 ? ::getpgid(tid) : 0)) continue;
    some = true;
    if (wanted.id > 0) natural = tid == tracee->tgid && tracee->parent == caller;
  }
  return some;
}

void GuestTracing::wait_entry(Tracee& caller, Registers& registers, TraceeMemory& memory) {
  bool retry = caller.wait_state == WaitState::retry;
  caller.wait_state = WaitState::running;
  auto found = tracers_.find(caller.tgid);
  Wanted wanted;
  if (found == tracers_.end() || caller.call.abi != guest::kNativeAbi || !Wanted::parse(caller.call, caller.tgid, wanted))
    return engine_.resume(caller);
  long result = 0;
  if (find_report(found->second, caller.tgid, wanted, memory, result)) {
    caller.wait_state = WaitState::none;
    if (found->second.traced == 0 && found->second.gone.empty()) tracers_.erase(found);
    return engine_.answer(caller, registers, result);
  }
  bool natural = false;
  if (!may_come(caller.tgid, wanted, natural)) return engine_.resume(caller);
  bool other = wanted.id > 0 && !natural;  // the kernel knows no such child
  if (other && wanted.no_hang) {
    caller.wait_state = WaitState::none;
    siginfo_t nothing{};
    if (wanted.by_info && wanted.info) memory.write(wanted.info, &nothing, sizeof nothing);
    return engine_.answer(caller, registers, 0);
  }
  if (other || retry) {
    caller.wait_state = WaitState::pausing;
    for (int i = 0; i < 6; ++i) registers.set_argument(i, 0, false);
    registers.set_number(SYS_ppoll);
    registers.store(caller.tid);
  } else if (wanted.id > 0) {
    return engine_.resume(caller);
  } else {
    caller.wait_state = WaitState::check;
  }
  caller.in_call = true;
  engine_.run_to_exit(caller);
}

void GuestTracing::wait_exit(Tracee& caller, Registers& registers) {
  WaitState state = caller.wait_state;
  caller.wait_state = WaitState::none;
  const guest::Call& call = caller.call;
  if (state == WaitState::pausing) {
    for (int i = 0; i < 6; ++i) registers.set_argument(i, call.arg[i], false);
    registers.set_number(call.number);
    bool restarts = registers.result() == kRestartNoHandler;
    registers.set_result(restarts ? kRestart : -EINTR);
    registers.store(caller.tid);
  } else if (registers.result() == -ECHILD && tracers_.contains(caller.tgid)) {
    Wanted wanted;
    bool natural;
    if (Wanted::parse(call, caller.tgid, wanted) && may_come(caller.tgid, wanted, natural)) {
      if (wanted.no_hang) {
        registers.set_result(0);
      } else {
        for (int i = 0; i < 6; ++i) registers.set_argument(i, call.arg[i], false);
        registers.rewind(call.number);
        caller.wait_state = WaitState::retry;
        if (caller.traced) caller.traced->again = true;
      }
      registers.store(caller.tid);
    }
  }
  if (caller.wait_state == WaitState::retry) engine_.resume(caller);
  else engine_.leave_call(caller);
}

}  // namespace udocker::ptrace
