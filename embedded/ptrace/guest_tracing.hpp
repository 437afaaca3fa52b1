// ptrace for the guest: strace, gdb and their like inside the container trace processes that this engine traces already.
//
// The kernel allows one tracer, so the engine plays the kernel's part for the second one. A stop of a traced process
// that its guest tracer is to see is held, described by a wait status, and told to the tracer by its wait4 or waitid
// (and SIGCHLD). While a stop is held the process is really stopped, so that most requests are the engine's own ptrace
// calls with the data carried between the two memories. What differs from the kernel's view is made up: stops at calls
// are seen before the engine's changes and after they were undone, and an execve is reported when the loader stub has
// done its work.
#pragma once
#include <csignal>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

#include "embedded/ptrace/registers.hpp"
#include "embedded/ptrace/tracee.hpp"

namespace udocker::ptrace {

class Engine;

// One stop as the guest tracer is told of it.
struct Report {
  // signal: the kernel's own signal stop; made: a signal stop of our making; group: a group stop; event: PTRACE_EVENT_*;
  // entry, exit: at a system call; exec_exit: the exit of an execve, after the loader stub.
  enum class Kind : uint8_t { signal, made, group, event, entry, exit, exec_exit };
  Kind kind = Kind::signal;
  int status = 0;             // as from wait, with the event in bits 16 to 23
  unsigned long message = 0;  // for PTRACE_GETEVENTMSG
};

// State of a thread that a guest tracer traces.
struct TracedState {
  enum class Mode : uint8_t { go, calls, step, listen };
  pid_t tracer = 0;  // process
  bool seized = false;
  uint32_t options = 0, applied = 0;  // applied: those the kernel has been told
  Mode mode = Mode::go;
  bool held = false;         // in a stop its tracer may look at
  bool told = false;         // by wait
  Report report;             // of the present stop
  std::deque<Report> due;    // stops that come before the thread may run on
  unsigned long message = 0;
  bool inside_call = false;  // its tracer was told of the entry
  bool entry_due = false;    // P2: the call is looked at when the tracer lets it go
  bool again = false;        // the entry comes a second time: the engine put a call of its own before it
  bool stepping_call = false;  // a single step over a system call
  bool step_entered = false;   // whose entry is behind it
  bool fresh = false;        // the first stop of a new thread is to be reported
  bool interrupted = false;  // PTRACE_INTERRUPT is under way
  bool attaching = false;    // by PTRACE_ATTACH to a group-stopped thread
  int stub_stops = 0;        // system call stops of the loader stub still to come; -1: single steps out of it
  rusage usage{};
};

class GuestTracing {
 public:
  explicit GuestTracing(Engine& engine) : engine_(engine) {}

  bool active() const { return !tracers_.empty(); }

  // A ptrace call of `caller`; the result.
  long request(Tracee& caller, TraceeMemory& memory);
  // A wait call of `caller`, stopped at its entry: answers it, changes it, or lets it run.
  void wait_entry(Tracee& caller, Registers& registers, TraceeMemory& memory);
  // Its exit, when Tracee::wait_state says that it must be looked at.
  void wait_exit(Tracee& caller, Registers& registers);

  // Stops. True: it was taken care of.
  bool on_stop(Tracee& tracee, int status, const rusage& usage);
  bool on_call_exit(Tracee& tracee);
  // `stub_calls`: how many system calls the loader stub will make; 0: there is none.
  void on_exec(Tracee& tracee, int stub_calls);
  // `event` of `parent`, whose child is new; `arrived`: and stopped already. Lets both run or holds them.
  void on_child(Tracee& parent, Tracee& child, int event, bool arrived);
  void on_gone(Tracee& tracee, int status);
  // SIGCHLD that came from us gets the details it would have from the kernel.
  void fix_signal(Tracee& tracee);

 private:
  struct Gone {
    pid_t tid;
    int status;
    rusage usage;
  };
  struct Tracer {
    int traced = 0;
    std::deque<Gone> gone;  // threads and other processes' children that ended
    siginfo_t child{};      // for the next SIGCHLD
  };
  struct Wanted;  // what a wait asks for

  void hold(Tracee& tracee, const Report& report);
  void hold_fresh(Tracee& child);
  void next_due(Tracee& tracee);
  void tell(pid_t tracer, pid_t child, int code, int status);
  void wake(pid_t tracer);
  void begin(Tracee& tracee, pid_t tracer, bool seized, uint32_t options);
  void end(Tracee& tracee);
  void detach(Tracee& tracee, int signal);
  void let_go(Tracee& tracee, TracedState::Mode mode, int signal);
  long attach(Tracee& caller, pid_t pid, bool seize, uint64_t address, uint64_t data);
  long set_options(Tracee& tracee, uint64_t options);
  long restart(Tracee& tracee, long what, uint64_t signal);
  long forward(Tracee& tracee, TraceeMemory& memory, long what, uint64_t address, uint64_t data);
  long signal_info(Tracee& tracee, TraceeMemory& memory, uint64_t data);
  long call_info(Tracee& tracee, TraceeMemory& memory, uint64_t size, uint64_t data);
  long register_set(Tracee& tracee, TraceeMemory& memory, long what, uint64_t set, uint64_t data);
  bool on_stub_stop(Tracee& tracee, int status);
  void queue_exec(Tracee& tracee);
  bool find_report(Tracer& tracer, pid_t caller, const Wanted& wanted, TraceeMemory& memory, long& result);
  bool may_come(pid_t caller, const Wanted& wanted, bool& natural) const;

  Engine& engine_;
  std::unordered_map<pid_t, Tracer> tracers_;  // by process
  bool told_narrow_ = false;
};

}  // namespace udocker::ptrace
