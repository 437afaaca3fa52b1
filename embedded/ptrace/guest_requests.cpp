// ptrace calls of tracers inside the container.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "embedded/ptrace/engine.hpp"
#include "embedded/ptrace/guest_tracing.hpp"
#include "util/log.hpp"

namespace udocker::ptrace {

namespace {

using Kind = Report::Kind;

// Numbers that not every libc's header has.
enum Request : long {
  kTraceMe = 0, kPeekText = 1, kPeekData = 2, kPeekUser = 3, kPokeText = 4, kPokeData = 5, kPokeUser = 6, kCont = 7, kKill = 8,
  kSingleStep = 9, kGetRegs = 12, kSetRegs = 13, kGetFpRegs = 14, kSetFpRegs = 15, kAttach = 16, kDetach = 17, kGetFpxRegs = 18,
  kSetFpxRegs = 19, kSyscall = 24, kArchPrctl = 30, kSetOptions = 0x4200, kGetEventMessage = 0x4201, kGetSignalInfo = 0x4202,
  kSetSignalInfo = 0x4203, kGetRegisterSet = 0x4204, kSetRegisterSet = 0x4205, kSeize = 0x4206, kInterrupt = 0x4207,
  kListen = 0x4208, kPeekSignalInfo = 0x4209, kGetSignalMask = 0x420a, kSetSignalMask = 0x420b, kGetCallInfo = 0x420e,
  kGetRseq = 0x420f,
};

constexpr uint64_t kKnownOptions = 0x7f | kExitKill;

// Request numbers whose data argument is a block of fixed size: read from the thread, or written to it.
struct Block {
  long request;
  size_t size;
  bool out;
};
constexpr Block kBlocks[] = {
#if defined(__x86_64__)
    {kGetRegs, sizeof(user_regs_struct), true},
    {kSetRegs, sizeof(user_regs_struct), false},
    {kGetFpRegs, 512, true},
    {kSetFpRegs, 512, false},
#endif
    {kSetSignalInfo, sizeof(siginfo_t), false},
};

long native(long what, pid_t tid, uint64_t address, void* data) {
  return trace(what, tid, static_cast<unsigned long>(address), data) < 0 ? -errno : 0;
}

bool valid_signal(uint64_t signal) { return signal <= 64; }

// Whether the next instruction of a stopped thread is a system call.
bool at_call(pid_t tid) {
  Registers registers;
  if (!registers.load(tid)) return false;
  unsigned char code[4] = {};
  uint64_t at = registers.pointer();
  iovec local{code, sizeof code}, remote{reinterpret_cast<void*>(at), sizeof code};
  if (::process_vm_readv(tid, &local, 1, &remote, 1, 0) < 2) {
    unsigned long word = 0;
    if (::syscall(SYS_ptrace, PTRACE_PEEKTEXT, tid, at, &word) < 0) return false;
    std::memcpy(code, &word, sizeof code);
  }
#if defined(__x86_64__)
  return (code[0] == 0x0f && (code[1] == 0x05 || code[1] == 0x34)) || (code[0] == 0xcd && code[1] == 0x80);
#else
  return code[0] == 0x01 && code[1] == 0 && code[2] == 0 && code[3] == 0xd4;
#endif
}

}  // namespace

long GuestTracing::set_options(Tracee& tracee, uint64_t options) {
  if (options & ~kKnownOptions) return -EINVAL;
  TracedState& traced = *tracee.traced;
  traced.options = static_cast<uint32_t>(options);
  if (((traced.applied ^ options) & kOwnOptions) && traced.held) {
    ptrace::trace(PTRACE_SETOPTIONS, tracee.tid, 0L, kTraceOptions | static_cast<long>(options & kOwnOptions));
    traced.applied = traced.options;
  }
  return 0;
}

long GuestTracing::attach(Tracee& caller, pid_t pid, bool seize, uint64_t address, uint64_t data) {
  if (seize && address != 0) return -EIO;
  if (seize && (data & ~kKnownOptions)) return -EIO;
  auto found = engine_.tracees_.find(pid);
  if (found == engine_.tracees_.end()) return ::kill(pid, 0) == 0 ? -EPERM : -ESRCH;
  Tracee& tracee = *found->second;
  if (tracee.tgid == caller.tgid || tracee.traced || !tracee.inherited) return -EPERM;
  begin(tracee, caller.tgid, seize, seize ? static_cast<uint32_t>(data) : 0);
  if (seize) return 0;
  if (tracee.group_stopped) {
    tracee.traced->attaching = true;
    ptrace::trace(PTRACE_INTERRUPT, pid, 0L, 0L);
  } else {
    ::syscall(SYS_tgkill, tracee.tgid, pid, SIGSTOP);
  }
  return 0;
}

long GuestTracing::restart(Tracee& tracee, long what, uint64_t signal) {
  if (!valid_signal(signal)) return -EIO;
  auto number = static_cast<int>(signal);
  switch (what) {
    case kCont:
      let_go(tracee, TracedState::Mode::go, number);
      return 0;
    case kSyscall:
      let_go(tracee, TracedState::Mode::calls, number);
      return 0;
    case kSingleStep: {
      TracedState& traced = *tracee.traced;
      bool call = traced.due.empty() && !traced.entry_due && traced.report.kind != Kind::entry && at_call(tracee.tid);
      traced.stepping_call = call || traced.report.kind == Kind::entry;
      traced.step_entered = traced.report.kind == Kind::entry;
      let_go(tracee, TracedState::Mode::step, number);
      return 0;
    }
    case kListen:
      if (!tracee.traced->seized || tracee.traced->report.status >> 16 != 128) return -EIO;
      tracee.traced->mode = TracedState::Mode::listen;
      tracee.traced->held = false;
      ptrace::trace(PTRACE_LISTEN, tracee.tid, 0L, 0L);
      return 0;
    default:
      detach(tracee, number);
      return 0;
  }
}

long GuestTracing::signal_info(Tracee& tracee, TraceeMemory& memory, uint64_t data) {
  const Report& report = tracee.traced->report;
  siginfo_t info{};
  if (report.kind == Kind::signal) {
    if (long result = native(PTRACE_GETSIGINFO, tracee.tid, 0, &info); result < 0) return result;
  } else {
    if (report.kind == Kind::group && !tracee.traced->seized) return -EINVAL;
    info.si_signo = report.kind == Kind::made ? WSTOPSIG(report.status) : SIGTRAP;
    info.si_code = report.kind == Kind::made ? SI_USER : report.status >> 8;
    info.si_pid = tracee.tid;
    info.si_uid = ::getuid();
  }
  return memory.write(data, &info, sizeof info);
}

long GuestTracing::call_info(Tracee& tracee, TraceeMemory& memory, uint64_t size, uint64_t data) {
  struct Info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t pointer, stack;
    uint64_t rest[12];
  } info{};
  long actual = ptrace::trace(kGetCallInfo, tracee.tid, sizeof info, &info);
  if (actual < 0) return -errno;
  Kind kind = tracee.traced->report.kind;
  if (kind == Kind::exec_exit) {
    info.op = 2;
    info.rest[0] = 0;
    reinterpret_cast<uint8_t*>(info.rest)[8] = 0;
    actual = 33;
  } else if (kind != Kind::entry && kind != Kind::exit) {
    info.op = 0;
    actual = 24;
  }
  long result = memory.write(data, &info, std::min<uint64_t>(size, static_cast<uint64_t>(actual)));
  return result < 0 ? result : actual;
}

long GuestTracing::register_set(Tracee& tracee, TraceeMemory& memory, long what, uint64_t set, uint64_t data) {
  uint64_t vector[2];
  if (long result = memory.read(data, vector, sizeof vector); result < 0) return result;
  std::vector<char> buffer(std::min<uint64_t>(vector[1], 1 << 16));
  iovec block{buffer.data(), buffer.size()};
  if (what == kSetRegisterSet) {
    if (long result = memory.read(vector[0], buffer.data(), buffer.size()); result < 0) return result;
    return native(PTRACE_SETREGSET, tracee.tid, set, &block);
  }
  if (long result = native(PTRACE_GETREGSET, tracee.tid, set, &block); result < 0) return result;
  if (long result = memory.write(vector[0], buffer.data(), block.iov_len); result < 0) return result;
  uint64_t length = block.iov_len;
  return memory.write(data + 8, &length, sizeof length);
}

// Requests that are the engine's own on the stopped thread.
long GuestTracing::forward(Tracee& tracee, TraceeMemory& memory, long what, uint64_t address, uint64_t data) {
  pid_t tid = tracee.tid;
  for (const Block& block : kBlocks) {
    if (block.request != what) continue;
    std::vector<char> buffer(block.size);
    if (!block.out) {
      if (long result = memory.read(data, buffer.data(), block.size); result < 0) return result;
      return native(what, tid, 0, buffer.data());
    }
    if (long result = native(what, tid, 0, buffer.data()); result < 0) return result;
    return memory.write(data, buffer.data(), block.size);
  }
  switch (what) {
    case kPeekText:
    case kPeekData:
    case kPeekUser: {
      unsigned long word = 0;
      if (long result = native(what, tid, address, &word); result < 0) return result;
      return memory.write(data, &word, sizeof word);
    }
    case kPokeText:
    case kPokeData:
    case kPokeUser:
      return native(what, tid, address, reinterpret_cast<void*>(data));
    case kGetSignalInfo:
      return signal_info(tracee, memory, data);
    case kGetRegisterSet:
    case kSetRegisterSet:
      return register_set(tracee, memory, what, address, data);
    case kGetCallInfo:
      return call_info(tracee, memory, address, data);
    case kGetSignalMask:
    case kSetSignalMask: {
      uint64_t mask = 0;
      if (address != sizeof mask) return -EINVAL;
      if (what == kSetSignalMask) {
        if (long result = memory.read(data, &mask, sizeof mask); result < 0) return result;
        return native(what, tid, address, &mask);
      }
      if (long result = native(what, tid, address, &mask); result < 0) return result;
      return memory.write(data, &mask, sizeof mask);
    }
    case kPeekSignalInfo: {
      struct {
        uint64_t offset;
        uint32_t flags;
        int32_t count;
      } wanted;
      if (long result = memory.read(address, &wanted, sizeof wanted); result < 0) return result;
      if (wanted.count < 0) return -EINVAL;
      wanted.count = std::min(wanted.count, 32);
      siginfo_t infos[32];
      long count = ptrace::trace(what, tid, &wanted, infos);
      if (count < 0) return -errno;
      long result = memory.write(data, infos, static_cast<size_t>(count) * sizeof infos[0]);
      return result < 0 ? result : count;
    }
#if defined(__x86_64__)
    case kArchPrctl: {
      constexpr uint64_t kGetFs = 0x1003, kGetGs = 0x1004;
      if (data != kGetFs && data != kGetGs) return native(what, tid, address, reinterpret_cast<void*>(data));
      unsigned long value = 0;
      if (ptrace::trace(what, tid, &value, data) < 0) return -errno;
      return memory.write(address, &value, sizeof value);
    }
#endif
    case kGetRseq: {
      char block[24] = {};
      long size = ptrace::trace(what, tid, sizeof block, block);
      if (size < 0) return -errno;
      long result = memory.write(data, block, std::min<uint64_t>(address, sizeof block));
      return result < 0 ? result : size;
    }
    default:
      return -EIO;
  }
}

long GuestTracing::request(Tracee& caller, TraceeMemory& memory) {
  const guest::Call& call = caller.call;
  if (call.abi != guest::kNativeAbi) {
    if (!std::exchange(told_narrow_, true))
      log::warning("a 32-bit program wants to trace: inside modes P1 and P2 only 64-bit programs can (mode R1 has no such limit)");
    return -EPERM;
  }
  auto what = static_cast<long>(call.arg[0]);
  auto pid = static_cast<pid_t>(call.arg[1]);
  uint64_t address = call.arg[2], data = call.arg[3];
  if (what == kTraceMe) {
    if (caller.traced || !engine_.tracees_.contains(caller.parent)) return -EPERM;
    begin(caller, caller.parent, false, 0);
    return 0;
  }
  if (what == kAttach || what == kSeize) return attach(caller, pid, what == kSeize, address, data);
  auto found = engine_.tracees_.find(pid);
  if (found == engine_.tracees_.end() || !found->second->traced || found->second->traced->tracer != caller.tgid) return -ESRCH;
  Tracee& tracee = *found->second;
  TracedState& traced = *tracee.traced;
  if (what == kKill) return ::syscall(SYS_tgkill, tracee.tgid, tracee.tid, SIGKILL), 0;
  if (what == kInterrupt) {
    if (!traced.seized) return -EIO;
    traced.interrupted = true;
    return native(PTRACE_INTERRUPT, pid, 0, nullptr);
  }
  if (!traced.held) return -ESRCH;
  switch (what) {
    case kCont:
    case kSyscall:
    case kSingleStep:
    case kListen:
    case kDetach:
      return restart(tracee, what, data);
    case kSetOptions:
      return set_options(tracee, data);
    case kGetEventMessage:
      return memory.write(data, &traced.message, sizeof traced.message);
    default:
      return forward(tracee, memory, what, address, data);
  }
}

}  // namespace udocker::ptrace
