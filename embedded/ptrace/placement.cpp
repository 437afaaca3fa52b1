#include "embedded/ptrace/placement.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "embedded/ptrace/engine.hpp"

namespace udocker::ptrace {

namespace {

constexpr uint32_t kBusyGap = 300'000;    // ns between stops (smoothed) below which a tracee is kept with us
constexpr uint32_t kCalmGap = 1'500'000;  // above which it is let go
constexpr uint64_t kRelease = 4'000'000;  // without a stop for so long: let go at the next tick
constexpr int kTickMicroseconds = 5'000;

uint64_t now() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

void set_tick(int microseconds) {
  itimerval timer{};
  timer.it_interval.tv_usec = timer.it_value.tv_usec = microseconds;
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

Placement::Placement(bool wanted) {
  CPU_ZERO(&full_);
  if (!wanted || ::sched_getaffinity(0, sizeof full_, &full_) != 0 || CPU_COUNT(&full_) < 2) return;
  active_ = true;
  CPU_ZERO(&home_);
  int cpu = ::sched_getcpu();
  CPU_SET(cpu < 0 ? 0 : cpu, &home_);
}

void Placement::pin(Tracee& tracee) {
  if (pinned_ == 0 || !ticking_) {
    // Our own CPU is where this tracee is most likely to be: the one we were just woken on or near.
    int cpu = ::sched_getcpu();
    if (pinned_ == 0 && cpu >= 0) {
      CPU_ZERO(&home_);
      CPU_SET(cpu, &home_);
      ::sched_setaffinity(0, sizeof home_, &home_);
    }
    set_tick(kTickMicroseconds);
    ticking_ = true;
  }
  if (::sched_setaffinity(tracee.tid, sizeof home_, &home_) != 0) return;
  tracee.pinned = true;
  ++pinned_;
}

void Placement::release(Tracee& tracee) {
  tracee.pinned = false;
  tracee.gap = kCalmGap;
  ::sched_setaffinity(tracee.tid, sizeof full_, &full_);
}

void Placement::on_call(Tracee& tracee) {
  if (!active_) return;
  uint64_t time = now();
  uint64_t gap = std::min<uint64_t>(time - tracee.last_stop, 4'000'000);
  tracee.last_stop = time;
  tracee.gap = static_cast<uint32_t>((uint64_t{tracee.gap} * 3 + gap) / 4);
  if (tracee.own_mask) return;
  if (!tracee.pinned && tracee.gap < kBusyGap) pin(tracee);
}

void Placement::on_tick(Engine& engine) {
  if (!active_ || !ticking_) return;
  uint64_t time = now();
  int count = 0;
  for (auto& [tid, tracee] : engine.tracees_) {
    if (!tracee->pinned) continue;
    if (time - tracee->last_stop > kRelease) release(*tracee);
    else ++count;
  }
  pinned_ = count;
  if (count) return;
  set_tick(0);
  ticking_ = false;
  ::sched_setaffinity(0, sizeof full_, &full_);
}

bool Placement::on_affinity_call(Engine& engine, Tracee& tracee, TraceeMemory& memory, long& result) {
  const guest::Call& call = tracee.call;
  auto target = static_cast<pid_t>(call.arg[0]);
  Tracee* other = &tracee;
  if (target != 0) {
    auto found = engine.tracees_.find(target);
    if (found == engine.tracees_.end()) return false;
    other = found->second.get();
  }
  if (tracee.decision.row->op == guest::Op::set_affinity) {
    other->own_mask = true;
    other->pinned = false;
    return false;
  }
  if (!other->pinned) return false;
  // The kernel's answer for an unbound thread: the size of its mask in bytes.
  long size = ::syscall(SYS_sched_getaffinity, 0, sizeof full_, &home_);
  CPU_ZERO(&home_);
  CPU_SET(std::max(::sched_getcpu(), 0), &home_);
  const auto room = static_cast<uint32_t>(call.arg[1]);
  const uint32_t word = call.abi == guest::Abi::i386 ? 4 : 8;
  if (size <= 0 || room < static_cast<uint64_t>(size) || room % word != 0) return false;  // the kernel says EINVAL
  result = memory.write(call.arg[2], &full_, static_cast<size_t>(size));
  if (result == 0) result = size;
  return true;
}

}  // namespace udocker::ptrace
