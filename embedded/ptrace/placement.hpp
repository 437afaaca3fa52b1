// Where tracees run. A stop that wakes a tracer on another, idle CPU costs ten times one on the same CPU, so a tracee
// that stops often is kept on the engine's CPU, and let go when it computes. The guest never sees this:
// sched_getaffinity is answered with the full mask, and a mask set by the guest ends our own placing of that thread.
#pragma once
#include <cstdint>

#include <sched.h>

#include "embedded/ptrace/tracee.hpp"

namespace udocker::ptrace {

class Engine;

class Placement {
 public:
  explicit Placement(bool wanted);
  bool active() const { return active_; }
  void on_call(Tracee& tracee);  // a stop at a system call
  void on_tick(Engine& engine);  // now and then, while anything is pinned
  // sched_getaffinity and sched_setaffinity of the guest; false: let the kernel do it.
  bool on_affinity_call(Engine& engine, Tracee& tracee, TraceeMemory& memory, long& result);

 private:
  void pin(Tracee& tracee);
  void release(Tracee& tracee);

  bool active_ = false;
  cpu_set_t full_, home_;
  std::size_t mask_size_ = sizeof(cpu_set_t);
  int pinned_ = 0;
  bool ticking_ = false;
};

}  // namespace udocker::ptrace
