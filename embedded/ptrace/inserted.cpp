// Calls that the engine puts before a program's own, and those that the program makes again for itself.
#include "embedded/ptrace/engine.hpp"
#include "embedded/ptrace/notify.hpp"

#include <cerrno>
#include <vector>

#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace udocker::ptrace {

namespace {

constexpr int kSysSeccomp = 1;  // SYS_SECCOMP

}  // namespace

// A null program is looked at only after the flags: EFAULT means that they are known.
bool filters_are_known() {
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kSpecAllow, nullptr) != 0 && errno == EFAULT;
}

// Threads and coroutines have small stacks that may be followed by anything: their copies go to memory of their own,
// mapped by the process itself with a call put before the one at hand. False: that call runs first.
bool Engine::scratch_ready(Tracee& tracee, Registers& registers) {
  Space& space = *tracee.space;
  constexpr uint64_t kMainStack = uint64_t{1} << 27;  // the least that the kernel keeps free below it
  uint64_t stack = registers.stack();
  bool main_stack = stack <= space.stack_top && space.stack_top - stack < kMainStack;
  bool compat = registers.compat();
  if (main_stack || space.scratch_failed) return true;
  if (space.scratch) {
    if (tracee.slot < 0) {
      for (int i = 0; i < static_cast<int>(kScratchSlots) && tracee.slot < 0; ++i) {
        if ((space.scratch_used >> i) & 1) continue;
        space.scratch_used |= uint64_t{1} << i;
        tracee.slot = i;
      }
    }
    return true;
  }
  constexpr long kMap2OfI386 = 192;
  insert_call(tracee, registers, Tracee::Inserted::memory, compat ? kMap2OfI386 : SYS_mmap,
              {0, kScratchSlot * kScratchSlots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~uint64_t{0}, 0});
  return false;
}

void Engine::insert_call(Tracee& tracee, const Registers& registers, Tracee::Inserted what, long number, const uint64_t (&arguments)[6]) {
  bool compat = registers.compat();
  tracee.call.number = registers.number();
  for (int i = 0; i < 6; ++i) tracee.call.arg[i] = registers.argument(i, compat);
  Registers changed = registers;
  for (int i = 0; i < 6; ++i) changed.set_argument(i, arguments[i], compat);
  changed.set_number(number);
  changed.store(tracee.tid);
  tracee.inserted = what;
  if (tracee.traced) tracee.traced->again = true;
  run_to_exit(tracee);
}

// Lets the thread (for sender_filter all of its process) put one more filter on itself.
void Engine::insert_filter(Tracee& tracee, const Registers& registers, Tracee::Inserted what, const std::vector<sock_filter>& program) {
  uint64_t size = program.size() * sizeof(sock_filter);
  uint64_t code = memory_.place_for(size), head = memory_.place_for(16);
  bool compat = registers.compat();
  uint32_t narrow[] = {static_cast<uint32_t>(program.size()), static_cast<uint32_t>(code)};
  uint64_t wide[] = {program.size(), code};
  memory_.write(code, program.data(), size);
  compat ? memory_.write(head, narrow, sizeof narrow) : memory_.write(head, wide, sizeof wide);
  constexpr long kSeccompOfI386 = 354;
  constexpr uint64_t kAllThreads = 1;  // SECCOMP_FILTER_FLAG_TSYNC
  uint64_t flags = kSpecAllow | (what == Tracee::Inserted::sender_filter ? kAllThreads : 0);
  insert_call(tracee, registers, what, compat ? kSeccompOfI386 : SYS_seccomp, {SECCOMP_SET_MODE_FILTER, flags, head, 0, 0, 0});
}

// The filter answers get*id as long as a thread's ids are the first ones. `others`: the call at hand may change them.
// False: the filter for that is installed first.
bool Engine::ids_ready(Tracee& tracee, const Registers& registers, bool others) {
  if (!others || !filter_.zero_ids || tracee.own_ids) return true;
  std::vector<sock_filter> program(64);
  program.resize(guest::build_id_filter(view_, program.data(), program.size()));
  insert_filter(tracee, registers, Tracee::Inserted::id_filter, program);
  return false;
}

// Senders' names are shown to processes that have bound a datagram socket to a name: only those get messages from named
// senders. At such a bind false: the filter for that is installed first.
bool Engine::senders_ready(Tracee& tracee, const Registers& registers) {
  if (!options_.seccomp || tracee.shows_senders || !filters_are_known()) return true;
  const guest::Call& call = tracee.call;
  sockaddr_un address{};
  if (call.arg[2] <= sizeof address.sun_family || memory_.read(call.arg[1], &address, sizeof address.sun_family + 1) < 0) return true;
  if (address.sun_family != AF_UNIX || address.sun_path[0] == '\0') return true;
  int socket = descriptor_of(tracee.tgid, static_cast<int>(call.arg[0])), type = SOCK_DGRAM;
  if (socket >= 0) {
    socklen_t size = sizeof type;
    ::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size);
    ::close(socket);
  }
  if (type == SOCK_STREAM) return true;
  std::vector<sock_filter> program(64);
  program.resize(guest::build_sender_filter(filter_.stop, program.data(), program.size()));
  insert_filter(tracee, registers, Tracee::Inserted::sender_filter, program);
  return false;
}

// True: the stop was a get*id of a thread that has taken other ids.
bool Engine::on_id_stop(Tracee& tracee) {
  siginfo_t info{};
  if (trace(PTRACE_GETSIGINFO, tracee.tid, 0, &info) != 0 || info.si_code != kSysSeccomp || info.si_errno != guest::kIdData) return false;
  show_own_id(tracee);
  tracee.kicked = false;
  resume(tracee);
  return true;
}

// True: the stop was the listener's, which wants the program to make its call again. Its entry stops then.
bool Engine::on_open_stop(Tracee& tracee) {
  siginfo_t info{};
  Registers registers;
  if (!registers.load(tracee.tid)) return false;
  tracee.opening = registers.result() == -kStartAgain;
  // Who sent a signal is lost when too many are queued.
  bool ours = trace(PTRACE_GETSIGINFO, tracee.tid, 0, &info) == 0 && (info.si_pid == ::getpid() || info.si_pid == 0);
  if (!tracee.opening && !ours) return false;
  tracee.kicked = false;
  if (tracee.opening) trace(PTRACE_SYSCALL, tracee.tid, 0L, 0ul);
  else resume(tracee);
  return true;
}

void Engine::on_open_entry(Tracee& tracee) {
  Registers registers;
  if (!registers.load(tracee.tid) || registers.compat()) return resume(tracee);
  const guest::Row* row = guest::find_row(guest::kNativeAbi, registers.number());
  if (!row || row->op != guest::Op::open) return resume(tracee);
  if (!scratch_ready(tracee, registers)) return;
  guest::Call& call = tracee.call;
  call.abi = guest::kNativeAbi;
  call.number = registers.number();
  for (int i = 0; i < 6; ++i) call.arg[i] = registers.argument(i, false);
  set_clock();
  prepare_task(tracee, registers);
  guest::translate(*task_, call, tracee.decision);
  // Anything else is the listener's again.
  if (tracee.decision.action == guest::Action::rewrite) apply(tracee, registers);
  else resume(tracee);
}

void Engine::show_own_id(Tracee& tracee) {
  Registers registers;
  if (!tracee.own_ids || !registers.load(tracee.tid)) return;
  const guest::Row* row = guest::find_row(registers.compat() ? guest::Abi::i386 : guest::kNativeAbi, registers.number());
  if (!row || !guest::is_zero_id(view_, *row)) return;
  const guest::Identity& id = tracee.identity;
  const uint32_t ids[] = {id.ruid, id.euid, id.rgid, id.egid};
  registers.set_result(static_cast<long>(ids[row->detail]));
  registers.store(tracee.tid);
}

}  // namespace udocker::ptrace
