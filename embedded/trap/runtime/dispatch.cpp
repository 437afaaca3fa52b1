#include "embedded/trap/runtime/dispatch.hpp"

#include "embedded/trap/runtime/fast.hpp"
#include "embedded/trap/runtime/libraries.hpp"
#include "embedded/trap/runtime/process.hpp"
#include "embedded/trap/runtime/signals.hpp"
#include "embedded/trap/runtime/tracing.hpp"

#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

namespace udocker::trap {
namespace {

constexpr int kSeccompCode = 1;

// Descriptors of directories whose added entries were given and whose end was not seen yet; 0: free.
constexpr size_t kListings = 64;
int listings[kListings];

bool listing_ended(void*, int descriptor) {
  int wanted = descriptor + 1;
  for (int& entry : listings) {
    int expected = wanted;
    if (__atomic_compare_exchange_n(&entry, &expected, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return true;
  }
  for (int& entry : listings) {
    int expected = 0;
    if (__atomic_compare_exchange_n(&entry, &expected, wanted, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return false;
  }
  return true;
}

// Another process has its runtime where ours is, so its ids lie where ours do.
bool identity_of(void*, int pid, guest::Identity& out) {
  struct {
    void* at;
    size_t size;
  } into[2], from[2] = {{&me().settings, sizeof me().settings}, {&me().identity, sizeof out}};
  const Settings* seen = nullptr;
  into[0] = {&seen, sizeof seen};
  into[1] = {&out, sizeof out};
  constexpr long kAll = sizeof seen + sizeof out;
  return call(__NR_process_vm_readv, pid, address(into), 2, address(from), 2, 0) == kAll && seen == me().settings;
}

void prepare(Slot* slot) {
  guest::Task& task = slot->task;
  Process& self = me();
  keep_clock();
  task.place.view = self.view;
  task.place.shared = self.shared;
  task.place.root = self.root_text();
  task.place.self = true;
  task.place.xattr_at = (self.settings->flags & kXattrAt) != 0;
  task.place.root_fd = __atomic_load_n(&self.root_fd, __ATOMIC_RELAXED);
  task.place.context = slot;
  task.place.program_of = program_of;
  task.listing_ended = listing_ended;
  task.identity_of = identity_of;
  task.memory = &slot->memory;
  task.identity = self.view->has(guest::kFakeIds) ? &self.identity : nullptr;
  task.owners = self.owners.is_open() ? &self.owners : nullptr;
  task.chroot_to = &self.root;
}

long run(const guest::Decision& decision, Slot* slot) {
  uint64_t arg[6];
  for (int i = 0; i < 6; ++i) arg[i] = decision.arg[i];
  for (int i = 0; i < decision.blob_count; ++i)
    arg[decision.blobs[i].arg] = reinterpret_cast<uint64_t>(decision.blobs[i].data);
  long result = trap_final_call(decision.number, static_cast<long>(arg[0]), static_cast<long>(arg[1]),
                                static_cast<long>(arg[2]), static_cast<long>(arg[3]), static_cast<long>(arg[4]),
                                static_cast<long>(arg[5]));
  slot->done = 1;
  return result;
}

bool is_open(long number) {
#ifdef __NR_open
  if (number == __NR_open) return true;
#endif
  return number == __NR_openat;
}

long pass(const Trap& trap) {
  return trap_final_call(trap.number, static_cast<long>(trap.arg[0]), static_cast<long>(trap.arg[1]),
                         static_cast<long>(trap.arg[2]), static_cast<long>(trap.arg[3]),
                         static_cast<long>(trap.arg[4]), static_cast<long>(trap.arg[5]));
}

// close and its like for a number that may be ROOT's descriptor, which to the guest is not open.
long on_descriptors(const Trap& trap) {
  int ours = __atomic_load_n(&me().root_fd, __ATOMIC_RELAXED);
  if (trap.number != __NR_close_range) {
    int target = static_cast<int>(trap.arg[trap.number == __NR_close ? 0 : 1]);
    return target == ours ? -EBADF : pass(trap);
  }
  auto first = static_cast<uint32_t>(trap.arg[0]), last = static_cast<uint32_t>(trap.arg[1]), kept = static_cast<uint32_t>(ours);
  if (ours < 0 || first > kept || kept > last) return pass(trap);
  auto part = [&](uint32_t from, uint32_t to) { return from > to ? 0 : call(trap.number, from, to, static_cast<long>(trap.arg[2])); };
  long result = part(first, kept - 1);
  return failed(result) ? result : part(kept + 1, last);
}

// A filter of the guest's own is accepted and not installed; one that hands calls to a tracer or a listener is refused,
// because who asked for it relies on being asked.
long accept_filter(uint64_t program_at) {
  struct {
    uint16_t length;
    uint64_t code;
  } program;
  if (read_guest(program, program_at)) return -EFAULT;
  if (program.length == 0 || program.length > 4096) return -EINVAL;
  for (uint16_t i = 0; i < program.length; ++i) {
    struct {
      uint16_t code;
      uint8_t yes, no;
      uint32_t value;
    } line;
    if (read_guest(line, program.code + i * sizeof line)) return -EFAULT;
    if (line.code != (BPF_RET | BPF_K)) continue;
    uint32_t action = line.value & SECCOMP_RET_ACTION_FULL;
    if (action == SECCOMP_RET_TRACE || action == SECCOMP_RET_USER_NOTIF || action == SECCOMP_RET_TRAP) return -EINVAL;
  }
  return 0;
}

// Calls that are the engine's business.
long engine_call(const Trap& trap) {
  switch (trap.number) {
    case __NR_seccomp:
      if (trap.arg[0] == SECCOMP_SET_MODE_STRICT) return 0;
      if (trap.arg[0] == SECCOMP_GET_ACTION_AVAIL) return pass(trap);
      if (trap.arg[0] != SECCOMP_SET_MODE_FILTER || (trap.arg[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER)) return -EINVAL;
      return accept_filter(trap.arg[2]);
    case __NR_prctl:
      if (trap.arg[0] == PR_SET_SECCOMP) return trap.arg[1] == SECCOMP_MODE_FILTER ? accept_filter(trap.arg[2]) : 0;
      if (trap.arg[0] == PR_SET_SYSCALL_USER_DISPATCH) return -EINVAL;
      return pass(trap);
    default:
      return pass(trap);
  }
}

// To be called after a call that may have changed the ids.
void note_identity(const guest::Row* row) {
  using guest::Op;
  bool changes = row && (row->op == Op::set_id || row->op == Op::set_groups || row->op == Op::capset || row->op == Op::prctl);
  if (!changes || me().identity_changed) return;
  guest::Identity start;
  guest::start_identity(start, me().view->uid, me().view->gid);
  if (!__builtin_memcmp(&start, &me().identity, sizeof start)) return;
  me().identity_changed = true;
  stack_identity_filter();
}

bool goes_to_directory(const guest::Row* row) {
  return row && (row->op == guest::Op::open || row->op == guest::Op::openat2 || row->op == guest::Op::chdir);
}

long translated(Slot* slot) {
  guest::Decision& decision = slot->decision;
  guest::translate(slot->task, slot->call, decision);
  if (me().root_fd >= 0 && goes_to_directory(decision.row) && lists_descriptors(slot->task.input.text())) give_up_root_fd();
  switch (decision.action) {
    case guest::Action::pass: {
      long result = pass(*slot->trap);
      slot->done = 1;
      return decision.post == guest::Post::none ? result : guest::finish(slot->task, slot->call, decision, result);
    }
    case guest::Action::answer:
      return decision.answer;
    case guest::Action::rewrite: {
      long result = run(decision, slot);
      if (decision.post != guest::Post::none) result = guest::finish(slot->task, slot->call, decision, result);
      return result;
    }
    case guest::Action::exec:
      return run_program(slot);
    case guest::Action::engine:
      return engine_call(*slot->trap);
  }
  return -ENOSYS;
}

long attempt(Slot* slot) {
  const Trap& trap = *slot->trap;
  long result;
  if (is_open(trap.number) && open_at_once(slot, result)) return result;
  slot->call.abi = guest::kNativeAbi;  // slots come as zeroed pages
  slot->call.number = trap.number;
  for (int i = 0; i < 6; ++i) slot->call.arg[i] = trap.arg[i];
  result = translated(slot);
  if (slot->task.identity) note_identity(slot->decision.row);
  return result;
}

}  // namespace

long carry_out(const Trap& trap) {
  switch (trap.number) {
    case __NR_mmap:
      return on_mmap(trap);
    case __NR_rt_sigaction:
      return on_sigaction(trap);
    case __NR_rt_sigprocmask:
      return on_sigprocmask(trap);
    case __NR_sigaltstack:
      return on_sigaltstack(trap);
    case __NR_clone3:
      return -ENOSYS;
    case __NR_close:
    case __NR_close_range:
#ifdef __NR_dup2
    case __NR_dup2:
#endif
    case __NR_dup3:
      return on_descriptors(trap);
    case __NR_ptrace:
      return on_ptrace(trap);
    case __NR_getdents64:  // a patched site comes here also where the filter would let it pass
      if (!me().view->has(guest::kHasUnlisted) && !me().view->has(guest::kLinkToSymlink)) return pass(trap);
      break;
    default:
      break;
  }
  Slot* slot = claim_slot(trap);
  if (!slot) return -ENOMEM;
  slot->decision.extra_fd = -1;
  long result;
  if (is_signal_call(trap.number)) {
    result = on_masked_wait(slot);
  } else if (trap.number == __NR_wait4) {
    result = on_wait(slot);
  } else {
    prepare(slot);
    result = attempt(slot);
    // Another thread gave ROOT's descriptor up meanwhile.
    if (result == -EBADF && slot->task.place.root_fd >= 0 && __atomic_load_n(&me().root_fd, __ATOMIC_RELAXED) < 0) {
      slot->task.place.root_fd = -1;
      slot->done = 0;
      result = attempt(slot);
    }
  }
  release_slot(slot);
  return result;
}

void deliver_sent_sigsys(int signal, SigInfo* info, Frame* frame);

extern "C" void trap_on_sigsys(int signal, SigInfo* info, Frame* frame) {
  if (info->code != kSeccompCode) return deliver_sent_sigsys(signal, info, frame);
  if (info->arch != kNativeArch) {
    frame->result() = static_cast<uint64_t>(-ENOSYS);
    return;
  }
  if (info->number == __NR_rt_sigreturn) return return_from_handler(frame);
  Trap trap;
  trap.number = info->number;
  trap.frame = frame;
  trap.site = nullptr;
  frame->arguments(trap.arg);
  frame->begin(*info);
  frame->result() = static_cast<uint64_t>(carry_out(trap));
}

extern "C" long trap_on_site(Site* site) {
  Trap trap;
  trap.number = site->number();
  trap.frame = nullptr;
  trap.site = site;
  site->arguments(trap.arg);
  return carry_out(trap);
}

}  // namespace udocker::trap
