#include "embedded/trap/runtime/signals.hpp"

#include "embedded/trap/runtime/abi.hpp"
#include "embedded/trap/runtime/process.hpp"
#include "embedded/trap/runtime/sites.hpp"

#include <linux/mman.h>
#include <linux/signal.h>

#include <initializer_list>

extern "C" {
void trap_sigsys_entry();
void trap_fault_entry();
void trap_peek_entry();
}

namespace udocker::trap {
namespace {

constexpr uint64_t kDefault = 0, kIgnore = 1;
constexpr uint64_t bit(int signal) { return uint64_t{1} << (signal - 1); }
constexpr uint64_t kSysBit = bit(SIGSYS);
constexpr uint64_t kSmallStack = 32 * 1024, kOwnStack = 64 * 1024, kPage = 4096;
constexpr uint64_t kStackMagic = 0x6b636174736c616d;

struct Action {  // the kernel's struct sigaction
  uint64_t handler, flags, restorer, mask;
};

// What the guest believes to be installed for the signals whose real handler is ours.
[[gnu::section(".bss.1hot")]] Action kept[65];

constexpr bool is_fault(int signal) { return signal == SIGSEGV || signal == SIGBUS; }
constexpr bool is_peeked(int signal) { return signal == 32 || signal == 33; }
constexpr bool is_kept(int signal) { return signal == SIGSYS || is_fault(signal) || is_peeked(signal); }

long set_action(int signal, const Action* action, Action* old) {
  return call(__NR_rt_sigaction, signal, address(action), address(old), 8);
}

template <class F>
uint64_t entry(F* function) {
  return reinterpret_cast<uint64_t>(function);
}

Action fault_action(const Action& guest) {
  if (guest.handler == kDefault || guest.handler == kIgnore)
    return {entry(trap_fault_entry), SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER, entry(trap_restorer), 0};
  return {entry(trap_fault_entry), (guest.flags | SA_SIGINFO) & ~uint64_t{SA_RESETHAND}, guest.restorer,
          guest.mask & ~kSysBit};
}

Action peek_action(const Action& guest) {
  if (guest.handler == kDefault || guest.handler == kIgnore) return guest;
  return {entry(trap_peek_entry), (guest.flags | SA_SIGINFO) & ~uint64_t{SA_RESETHAND}, guest.restorer,
          guest.mask & ~kSysBit};
}

// The default action of a signal that was sent to us or that a repeated instruction will raise again.
void act_default(int signal, const SigInfo* info, Frame* frame) {
  Action plain{kDefault, SA_RESTORER, entry(trap_restorer), 0};
  set_action(signal, &plain, nullptr);
  if (info->code > 0 && signal != SIGSYS) return;  // the instruction faults again
  uint64_t unblock = bit(signal);
  call(__NR_tgkill, call(__NR_getpid), call(__NR_gettid), signal);
  call(__NR_rt_sigprocmask, SIG_UNBLOCK, address(&unblock), 0, 8);
  frame->mask &= ~bit(signal);
}

struct StackHeader {
  uint64_t magic;
  AltStack guest;
  uint64_t bytes;
};

bool find_header(const AltStack& real, StackHeader& out) {
  if (real.base < kPage || real.size != kOwnStack) return false;
  return read_guest(out, real.base - kPage) == 0 && out.magic == kStackMagic;
}

// A stack given up is unmapped only many others later: the handler that gives it up still runs on it.
constexpr size_t kRetired = 64;
uint64_t retired[kRetired];
uint32_t retired_count;

void retire_stack(uint64_t base) {
  uint32_t at = __atomic_fetch_add(&retired_count, 1, __ATOMIC_ACQ_REL) % kRetired;
  uint64_t old = __atomic_exchange_n(&retired[at], base, __ATOMIC_ACQ_REL);
  if (old) call(__NR_munmap, static_cast<long>(old), static_cast<long>(kOwnStack + kPage));
}

// What the kernel shall have for what the guest asks; `current` is re-used when it is ours already.
long real_stack(const AltStack& wanted, const AltStack& current, AltStack& out) {
  StackHeader header;
  bool ours = find_header(current, header);
  out = wanted;
  if ((wanted.flags & SS_DISABLE) || wanted.size >= kSmallStack) {
    if (ours) retire_stack(current.base - kPage);
    return 0;
  }
  if (wanted.size < kSmallestStack) return -ENOMEM;
  uint64_t base = current.base - kPage;
  if (!ours) {
    long made = call(__NR_mmap, 0, kOwnStack + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (failed(made)) return 0;  // the guest's own must do
    base = static_cast<uint64_t>(made);
  }
  *reinterpret_cast<StackHeader*>(base) = {kStackMagic, wanted, kOwnStack + kPage};
  out.base = base + kPage;
  out.size = kOwnStack;
  return 0;
}

AltStack shown_stack(const AltStack& real, uint64_t sp) {
  StackHeader header;
  AltStack out = find_header(real, header) ? header.guest : real;
  bool on = real.size && sp - real.base <= real.size;
  out.flags = (real.size ? (out.flags & ~(SS_ONSTACK | SS_DISABLE)) | (on ? SS_ONSTACK : 0) : SS_DISABLE);
  return out;
}

}  // namespace

void start_signals(bool first) {
  Action old;
  for (int signal : {SIGSEGV, SIGBUS}) {
    Action ours = fault_action({});
    set_action(signal, &ours, &old);
    kept[signal] = {old.handler == kIgnore ? kIgnore : kDefault, 0, 0, 0};
  }
  Action ours{entry(trap_sigsys_entry), SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER, entry(trap_restorer), 0};
  set_action(SIGSYS, &ours, &old);
  kept[SIGSYS] = {old.handler == kIgnore ? kIgnore : kDefault, 0, 0, 0};
  uint64_t mask = kSysBit;
  if (first) call(__NR_rt_sigprocmask, SIG_UNBLOCK, address(&mask), 0, 8);
}

void signals_before_exec() {
  for (int signal : {SIGSEGV, SIGBUS, SIGSYS}) {
    if (kept[signal].handler != kIgnore || (signal == SIGSYS && in_borrowed_memory())) continue;
    Action ignore{kIgnore, SA_RESTORER, entry(trap_restorer), 0};
    if (signal != SIGSYS) set_action(signal, &ignore, nullptr);
  }
}

void signals_after_failed_exec() {
  for (int signal : {SIGSEGV, SIGBUS}) {
    if (kept[signal].handler != kIgnore) continue;
    Action ours = fault_action(kept[signal]);
    set_action(signal, &ours, nullptr);
  }
}

long on_sigaction(const Trap& trap) {
  int signal = static_cast<int>(trap.arg[0]);
  if (trap.arg[3] != 8 || signal < 1 || signal > 64) return -EINVAL;
  Action wanted;
  bool sets = trap.arg[1] != 0;
  if (sets && read_guest(wanted, trap.arg[1])) return -EFAULT;
  Action old;
  if (!is_kept(signal)) {
    if (sets) wanted.mask &= ~kSysBit;
    long result = set_action(signal, sets ? &wanted : nullptr, &old);
    if (failed(result)) return result;
  } else {
    old = kept[signal];
    bool borrowed = sets && in_borrowed_memory();
    if (sets && !borrowed) kept[signal] = wanted;
    if (sets && signal != SIGSYS) {
      Action real = borrowed && wanted.handler <= kIgnore ? wanted
                    : is_fault(signal)                    ? fault_action(wanted)
                                                          : peek_action(wanted);
      if (borrowed && wanted.handler > kIgnore) real = wanted, real.mask &= ~kSysBit;
      long result = set_action(signal, &real, nullptr);
      if (failed(result)) return result;
    }
  }
  if (trap.arg[2] && write_guest(trap.arg[2], old)) return -EFAULT;
  return 0;
}

long on_sigprocmask(const Trap& trap) {
  if (trap.arg[3] != 8) return -EINVAL;
  uint64_t set = 0, old = 0;
  bool sets = trap.arg[1] != 0;
  if (sets && read_guest(set, trap.arg[1])) return -EFAULT;
  set &= ~(kSysBit | bit(SIGKILL) | bit(SIGSTOP));
  int how = static_cast<int>(trap.arg[0]);
  if (trap.frame) {
    old = trap.frame->mask;
    if (sets) {
      if (how == SIG_BLOCK) trap.frame->mask = old | set;
      else if (how == SIG_UNBLOCK) trap.frame->mask = old & ~set;
      else if (how == SIG_SETMASK) trap.frame->mask = set;
      else return -EINVAL;
    }
  } else {
    long result = call(__NR_rt_sigprocmask, how, sets ? address(&set) : 0, address(&old), 8);
    if (failed(result)) return result;
  }
  if (trap.arg[2] && write_guest(trap.arg[2], old)) return -EFAULT;
  return 0;
}

long on_sigaltstack(const Trap& trap) {
  AltStack wanted, current, real;
  if (trap.arg[0] && read_guest(wanted, trap.arg[0])) return -EFAULT;
  if (trap.frame) current = trap.frame->stack;
  else call(__NR_sigaltstack, 0, address(&current));
  uint64_t sp = trap.frame ? trap.frame->sp() : trap.site->sp();
  AltStack shown = shown_stack(current, sp);
  if (trap.arg[0]) {
    if (shown.flags & SS_ONSTACK) return -EPERM;
    if (wanted.flags & ~(SS_ONSTACK | SS_DISABLE | static_cast<int>(SS_AUTODISARM))) return -EINVAL;
    if (long result = real_stack(wanted, current, real)) return result;
    if (trap.frame) {
      if (!change_stack_on_return(*trap.frame, real)) return -EFAULT;
    } else {
      long result = call(__NR_sigaltstack, address(&real), 0);
      if (failed(result)) return result;
    }
  }
  if (trap.arg[1] && write_guest(trap.arg[1], shown)) return -EFAULT;
  return 0;
}

bool is_signal_call(long number) {
  switch (number) {
    case __NR_rt_sigaction:
    case __NR_rt_sigprocmask:
    case __NR_sigaltstack:
    case __NR_rt_sigsuspend:
    case __NR_ppoll:
    case __NR_pselect6:
    case __NR_epoll_pwait:
    case __NR_epoll_pwait2:
      return true;
    default:
      return false;
  }
}

long on_masked_wait(Slot* slot) {
  const Trap& trap = *slot->trap;
  uint64_t* words = reinterpret_cast<uint64_t*>(slot->task.small);
  uint64_t arg[6];
  for (int i = 0; i < 6; ++i) arg[i] = trap.arg[i];
  int at = trap.number == __NR_rt_sigsuspend ? 0 : trap.number == __NR_ppoll ? 3 : trap.number == __NR_pselect6 ? 5 : 4;
  if (trap.number == __NR_pselect6) {
    if (arg[5]) {
      if (trap_copy_in(words + 1, reinterpret_cast<void*>(arg[5]), 16)) return -EFAULT;
      if (words[1]) {
        if (read_guest(words[0], words[1])) return -EFAULT;
        words[0] &= ~kSysBit;
        words[1] = reinterpret_cast<uint64_t>(words);
      }
      arg[5] = reinterpret_cast<uint64_t>(words + 1);
    }
  } else if (arg[at]) {
    if (read_guest(words[0], arg[at])) return -EFAULT;
    words[0] &= ~kSysBit;
    arg[at] = reinterpret_cast<uint64_t>(words);
  }
  return trap_final_call(trap.number, static_cast<long>(arg[0]), static_cast<long>(arg[1]), static_cast<long>(arg[2]),
                         static_cast<long>(arg[3]), static_cast<long>(arg[4]), static_cast<long>(arg[5]));
}

// The guest's frame is where its stack pointer is; the runtime's own instruction then takes it off.
void return_from_handler(Frame* frame) {
  uint64_t mask_at = frame->sp() + kFrameOnReturn + offsetof(Frame, mask), mask;
  if (!read_guest(mask, mask_at) && (mask & kSysBit)) write_guest(mask_at, mask & ~kSysBit);
  frame->pc() = entry(trap_restorer);
}

// The guest's handler for a SIGSYS that was sent, not trapped.
void deliver_sent_sigsys(int signal, SigInfo* info, Frame* frame) {
  Action action = kept[SIGSYS];
  if (action.handler == kIgnore) return;
  if (action.handler == kDefault) return act_default(signal, info, frame);
  reinterpret_cast<void (*)(int, SigInfo*, Frame*)>(action.handler)(signal, info, frame);
}

extern "C" uint64_t trap_on_fault(int signal, SigInfo* info, Frame* frame) {
  uint64_t pc = frame->pc();
  if (info->code > 0 && pc >= entry(trap_memory_begin) && pc < entry(trap_memory_end)) {
    frame->pc() = entry(trap_memory_fault);
    return 0;
  }
  Action action = kept[signal];
  if (action.handler == kIgnore && info->code <= 0) return 0;
  if (action.handler <= kIgnore) {
    act_default(signal, info, frame);
    return 0;
  }
  if (action.flags & SA_RESETHAND) kept[signal].handler = kDefault;
  return action.handler;
}

// Cancellation handlers look at the interrupted instruction and unwind or rewrite it, so while the runtime works for a
// call they must see the guest at that call. A call not yet made is given up here: the guest makes it again when its
// handler returns. A call that succeeded is kept, and the handler runs as a plain function.
extern "C" uint64_t trap_on_peek(int signal, SigInfo* info, Frame* frame) {
  Action action = kept[signal];
  if (action.handler <= kIgnore) return 0;
  uint64_t pc = frame->pc();
  Slot* slot = pc - kRuntimeBase < kTextSize ? slot_above(frame->sp()) : nullptr;
  if (!slot) return action.handler;
  const Trap& trap = *slot->trap;
  bool over = slot->done || (pc == entry(trap_final_end) && frame->result() != static_cast<uint64_t>(-EINTR));
  uint64_t saved[kGregs];
  for (int i = 0; i < kGregs; ++i) saved[i] = frame->reg[i];
  if (trap.frame) {
    for (int i = 0; i < kGregs; ++i) frame->reg[i] = trap.frame->reg[i];
  } else {
    trap.site->to_frame(*frame);
  }
  if (!over) {
    if (pc == entry(trap_final_end)) {
      frame->result() = static_cast<uint64_t>(-EINTR);
    } else {
      uint64_t back = frame->pc();
      frame->call_again(trap.number, trap.frame ? back - kCallSize : site_before(back));
    }
    if (slot->decision.extra_fd >= 0) call(__NR_close, slot->decision.extra_fd);
    release_slot(slot);
    return action.handler;
  }
  uint64_t shown = frame->pc();
  reinterpret_cast<void (*)(int, SigInfo*, Frame*)>(action.handler)(signal, info, frame);
  if (frame->pc() != shown) {
    release_slot(slot);
    return 0;
  }
  for (int i = 0; i < kGregs; ++i) frame->reg[i] = saved[i];
  return 0;
}

}  // namespace udocker::trap
