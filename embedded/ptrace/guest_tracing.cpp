// Stops of traced threads: which are held, and what comes next. See guest_requests.cpp and guest_waiting.cpp.
#include "embedded/ptrace/guest_tracing.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "embedded/ptrace/engine.hpp"
#include "embedded/ptrace/stub.hpp"

namespace udocker::ptrace {

namespace {

constexpr int kEventStop = 128, kCallStop = SIGTRAP | 0x80;
using Kind = Report::Kind;

int stopped_by(int signal, int event = 0) { return event << 16 | signal << 8 | 0x7f; }

bool stops_group(int signal) { return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU; }

unsigned long event_message(pid_t tid) {
  unsigned long message = 0;
  ptrace::trace(PTRACE_GETEVENTMSG, tid, 0L, &message);
  return message;
}

// Whether SIGCHLD would do anything in this process: it is caught or blocked.
bool hears_children(pid_t process) {
  char name[40], text[4096];
  std::snprintf(name, sizeof name, "/proc/%d/status", process);
  int fd = ::open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t size = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  text[size > 0 ? size : 0] = '\0';
  for (const char* field : {"\nSigBlk:\t", "\nSigCgt:\t"}) {
    const char* at = std::strstr(text, field);
    if (at && (std::strtoull(at + 9, nullptr, 16) >> (SIGCHLD - 1)) & 1) return true;
  }
  return false;
}

}  // namespace

void GuestTracing::begin(Tracee& tracee, pid_t tracer, bool seized, uint32_t options) {
  tracee.traced = std::make_unique<TracedState>();
  tracee.traced->tracer = tracer;
  tracee.traced->seized = seized;
  ++tracers_[tracer].traced;
  set_options(tracee, options);
}

void GuestTracing::end(Tracee& tracee) {
  auto found = tracers_.find(tracee.traced->tracer);
  if (found != tracers_.end() && --found->second.traced == 0 && found->second.gone.empty()) tracers_.erase(found);
  if (tracee.traced->options & kOwnOptions) ptrace::trace(PTRACE_SETOPTIONS, tracee.tid, 0L, kTraceOptions);
  tracee.traced.reset();
}

void GuestTracing::hold(Tracee& tracee, const Report& report) {
  TracedState& traced = *tracee.traced;
  traced.held = true;
  traced.told = traced.interrupted = false;
  traced.report = report;
  traced.message = report.message;
  traced.stepping_call = false;
  if ((traced.applied ^ traced.options) & kOwnOptions) {
    ptrace::trace(PTRACE_SETOPTIONS, tracee.tid, 0L, kTraceOptions | static_cast<long>(traced.options & kOwnOptions));
    traced.applied = traced.options;
  }
  if (report.kind == Kind::entry) traced.inside_call = true;
  if (report.kind == Kind::exit || report.kind == Kind::exec_exit) traced.inside_call = false;
  tell(traced.tracer, tracee.tid, CLD_TRAPPED, report.status >> 8);
}

void GuestTracing::next_due(Tracee& tracee) {
  Report report = tracee.traced->due.front();
  tracee.traced->due.pop_front();
  hold(tracee, report);
}

void GuestTracing::tell(pid_t tracer, pid_t child, int code, int status) {
  Tracer& state = tracers_[tracer];
  state.child = {};
  state.child.si_signo = SIGCHLD;
  state.child.si_code = code;
  state.child.si_pid = child;
  state.child.si_uid = ::getuid();
  state.child.si_status = status;
  wake(tracer);
}

// A wait that is blocked in the kernel starts again and finds what there is.
void GuestTracing::wake(pid_t tracer) {
  for (auto& [tid, thread] : engine_.tracees_) {
    if (thread->tgid != tracer || thread->kicked) continue;
    if (thread->wait_state != WaitState::running && thread->wait_state != WaitState::check && thread->wait_state != WaitState::pausing) continue;
    thread->kicked = ptrace::trace(PTRACE_INTERRUPT, tid, 0L, 0L) == 0;
  }
  if (hears_children(tracer)) ::kill(tracer, SIGCHLD);
}

void GuestTracing::fix_signal(Tracee& tracee) {
  auto found = tracers_.find(tracee.tgid);
  if (found == tracers_.end() || found->second.child.si_signo == 0) return;
  siginfo_t info{};
  if (ptrace::trace(PTRACE_GETSIGINFO, tracee.tid, 0L, &info) != 0 || info.si_code > 0 || info.si_pid != ::getpid()) return;
  ptrace::trace(PTRACE_SETSIGINFO, tracee.tid, 0L, &found->second.child);
}

bool GuestTracing::on_stop(Tracee& tracee, int status, const rusage& usage) {
  int signal = WSTOPSIG(status), event = status >> 16;
  // Any stop takes the place of one asked for by PTRACE_INTERRUPT.
  bool kicked = tracee.kicked;
  tracee.kicked = false;
  if (event == kEventStop && signal == SIGTRAP && kicked && !(tracee.traced && tracee.traced->interrupted)) {
    engine_.resume(tracee);
    return true;
  }
  if (event == 0 && signal == SIGCHLD) fix_signal(tracee);
  if (!tracee.traced) return false;
  TracedState& traced = *tracee.traced;
  traced.usage = usage;
  if (traced.stub_stops != 0 && on_stub_stop(tracee, status)) return true;
  if (event == PTRACE_EVENT_SECCOMP) {
    traced.again = false;
    return false;
  }
  if (signal == kCallStop) {
    if (tracee.in_call) return false;
    if (Registers registers; registers.load(tracee.tid) && in_stub(registers.pointer(), registers.compat())) {
      // It was attached while the loader stub was at work.
      if (!engine_.options_.seccomp) return false;
      engine_.resume(tracee);
      return true;
    }
    if (traced.again) {
      traced.again = false;
      if (!engine_.options_.seccomp) return false;
      engine_.resume(tracee);
      return true;
    }
    bool entry = !engine_.options_.seccomp || !(traced.inside_call || traced.stepping_call);
    if (engine_.options_.seccomp && traced.stepping_call && !traced.step_entered) {
      // The entry of a call that is stepped over is nobody's business.
      traced.step_entered = true;
      engine_.resume(tracee);
      return true;
    }
    if (!entry) {
      engine_.show_own_id(tracee);
      engine_.leave_call(tracee);
      return true;
    }
    if (traced.mode != TracedState::Mode::calls) {
      if (!engine_.options_.seccomp) return false;
      engine_.resume(tracee);
      return true;
    }
    traced.entry_due = !engine_.options_.seccomp;
    int shown = traced.options & PTRACE_O_TRACESYSGOOD ? kCallStop : SIGTRAP;
    hold(tracee, {Kind::entry, stopped_by(shown), 1});
    return true;
  }
  if (event == PTRACE_EVENT_EXIT || event == PTRACE_EVENT_VFORK_DONE) {
    if (!(traced.options & (1u << event))) return false;
    hold(tracee, {Kind::event, stopped_by(SIGTRAP, event), event_message(tracee.tid)});
    return true;
  }
  if (event == kEventStop) {
    if (!tracee.inherited) return false;
    bool asked = traced.interrupted;
    traced.interrupted = false;
    if (traced.fresh) {
      hold_fresh(tracee);
    } else if (traced.attaching) {
      traced.attaching = false;
      hold(tracee, {Kind::group, stopped_by(SIGSTOP)});
    } else if (stops_group(signal)) {
      hold(tracee, {Kind::group, stopped_by(signal, traced.seized ? kEventStop : 0)});
    } else if (traced.seized && (asked || traced.mode == TracedState::Mode::listen)) {
      hold(tracee, {Kind::event, stopped_by(SIGTRAP, kEventStop)});
    } else {
      engine_.resume(tracee);
    }
    return true;
  }
  if (event != 0) return false;
  hold(tracee, {Kind::signal, stopped_by(signal)});
  return true;
}

// The end of a system call: true when it is held.
bool GuestTracing::on_call_exit(Tracee& tracee) {
  if (!tracee.traced) return false;
  TracedState& traced = *tracee.traced;
  traced.step_entered = false;
  if (traced.stepping_call) {
    hold(tracee, {Kind::made, stopped_by(SIGTRAP)});
    return true;
  }
  bool seen = traced.inside_call;
  traced.inside_call = false;
  if (!seen || traced.mode != TracedState::Mode::calls) return false;
  int shown = traced.options & PTRACE_O_TRACESYSGOOD ? kCallStop : SIGTRAP;
  hold(tracee, {Kind::exit, stopped_by(shown), 2});
  return true;
}

// What the tracer is told of an execve once the new program is in place.
void GuestTracing::queue_exec(Tracee& tracee) {
  TracedState& traced = *tracee.traced;
  bool told = traced.options & PTRACE_O_TRACEEXEC;
  if (told) traced.due.push_back({Kind::event, stopped_by(SIGTRAP, PTRACE_EVENT_EXEC), static_cast<unsigned long>(tracee.tid)});
  if (traced.inside_call && traced.mode == TracedState::Mode::calls)
    traced.due.push_back({Kind::exec_exit, stopped_by(traced.options & PTRACE_O_TRACESYSGOOD ? kCallStop : SIGTRAP), 2});
  if (!told && !traced.seized) traced.due.push_back({Kind::made, stopped_by(SIGTRAP)});
}

void GuestTracing::on_exec(Tracee& tracee, int stub_calls) {
  TracedState& traced = *tracee.traced;
  traced.stepping_call = traced.step_entered = false;
  tracee.in_call = false;
  // The exit of the execve itself, and both ends of each call of the stub.
  traced.stub_stops = 1 + 2 * stub_calls;
  ptrace::trace(PTRACE_SYSCALL, tracee.tid, 0L, 0L);
}

bool GuestTracing::on_stub_stop(Tracee& tracee, int status) {
  TracedState& traced = *tracee.traced;
  int signal = WSTOPSIG(status), event = status >> 16;
  bool call = signal == kCallStop && event == 0;
  bool step = signal == SIGTRAP && event == 0 && traced.stub_stops < 0;
  if (!call && !step) {
    // A signal for the new program: it has no handlers yet.
    if (event == 0) {
      ptrace::trace(traced.stub_stops > 0 ? PTRACE_SYSCALL : PTRACE_SINGLESTEP, tracee.tid, 0L, static_cast<long>(signal));
      return true;
    }
    return false;
  }
  if (call && traced.stub_stops > 0 && --traced.stub_stops > 0) {
    ptrace::trace(PTRACE_SYSCALL, tracee.tid, 0L, 0L);
    return true;
  }
  Registers registers;
  if (registers.load(tracee.tid) && in_stub(registers.pointer(), registers.compat())) {
    traced.stub_stops = -1;
    ptrace::trace(PTRACE_SINGLESTEP, tracee.tid, 0L, 0L);
    return true;
  }
  traced.stub_stops = 0;
  registers.set_result(0);
  registers.store(tracee.tid);
  queue_exec(tracee);
  if (traced.due.empty()) engine_.resume(tracee);
  else next_due(tracee);
  return true;
}

void GuestTracing::on_child(Tracee& parent, Tracee& child, int event, bool arrived) {
  TracedState* traced = parent.traced.get();
  if (!traced || !(traced->options & (1u << event))) {
    if (arrived) engine_.resume(child);
    return engine_.resume(parent);
  }
  begin(child, traced->tracer, traced->seized, traced->options);
  child.traced->applied = traced->applied;
  child.traced->fresh = true;
  hold(parent, {Kind::event, stopped_by(SIGTRAP, event), static_cast<unsigned long>(child.tid)});
  if (arrived) hold_fresh(child);
}

void GuestTracing::hold_fresh(Tracee& child) {
  child.traced->fresh = false;
  hold(child, child.traced->seized ? Report{Kind::event, stopped_by(SIGTRAP, kEventStop)} : Report{Kind::made, stopped_by(SIGSTOP)});
}

void GuestTracing::on_gone(Tracee& tracee, int status) {
  if (tracee.traced) {
    pid_t tracer = tracee.traced->tracer;
    bool natural = tracee.tid == tracee.tgid && tracee.parent == tracer;
    if (!natural) {
      tracers_[tracer].gone.push_back({tracee.tid, status, tracee.traced->usage});
      bool exited = WIFEXITED(status);
      tell(tracer, tracee.tid, exited ? CLD_EXITED : CLD_KILLED, exited ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    auto found = tracers_.find(tracer);
    if (--found->second.traced == 0 && found->second.gone.empty()) tracers_.erase(found);
    tracee.traced.reset();
  }
  if (tracee.tid != tracee.tgid || !tracers_.contains(tracee.tgid)) return;
  // The tracer itself has ended.
  for (auto& [tid, other] : engine_.tracees_) {
    if (!other->traced || other->traced->tracer != tracee.tgid) continue;
    if (other->traced->options & kExitKill) ::syscall(SYS_tgkill, other->tgid, tid, SIGKILL);
    else detach(*other, 0);
  }
  tracers_.erase(tracee.tgid);
}

void GuestTracing::detach(Tracee& tracee, int signal) {
  // What was still to be reported is not any more; a call that waits for its treatment gets it.
  tracee.traced->due.clear();
  let_go(tracee, TracedState::Mode::go, signal);
  end(tracee);
}

// Lets a held thread run on.
void GuestTracing::let_go(Tracee& tracee, TracedState::Mode mode, int signal) {
  TracedState& traced = *tracee.traced;
  traced.mode = mode;
  if (!traced.held) return;
  traced.held = false;
  if (mode != TracedState::Mode::calls) traced.inside_call = false;
  if (!traced.due.empty()) return next_due(tracee);
  if (traced.entry_due) {
    traced.entry_due = false;
    return engine_.on_entry(tracee);
  }
  if (traced.report.kind == Kind::made && stops_group(signal)) {
    ::syscall(SYS_tgkill, tracee.tgid, tracee.tid, signal);
    signal = 0;
  }
  if (traced.report.kind != Kind::signal && traced.report.kind != Kind::made) signal = 0;
  engine_.resume(tracee, signal);
}

}  // namespace udocker::ptrace
