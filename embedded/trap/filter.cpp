#include "embedded/trap/filter.hpp"

#include "embedded/trap/runtime/abi.hpp"
#include "guest/filter.hpp"
#include "util/error.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <iterator>
#include <memory>

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

namespace udocker::trap {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kArch = AUDIT_ARCH_AARCH64;
#endif
constexpr long kIdCalls[] = {SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid};

constexpr std::uint32_t low(int argument) { return offsetof(seccomp_data, args) + 8u * static_cast<unsigned>(argument); }

// Blocks of "if the number is N: …; return"; whatever they do not return for goes on behind them.
class Program {
 public:
  std::vector<sock_filter> code;

  void add(unsigned op, std::uint32_t k, unsigned yes = 0, unsigned no = 0) {
    code.push_back({static_cast<__u16>(op), static_cast<__u8>(yes), static_cast<__u8>(no), k});
  }
  void load(std::uint32_t at) { add(BPF_LD | BPF_W | BPF_ABS, at); }
  void ret(std::uint32_t action) { add(BPF_RET | BPF_K, action); }
  void allow() { ret(SECCOMP_RET_ALLOW); }
  void stop() {
    load(offsetof(seccomp_data, instruction_pointer) + 4);
    add(BPF_JMP | BPF_JEQ | BPF_K, kRuntimeBase >> 32, 0, 3);
    load(offsetof(seccomp_data, instruction_pointer));
    add(BPF_JMP | BPF_JGE | BPF_K, kTextSize, 1, 0);
    allow();
    ret(SECCOMP_RET_TRAP);
  }
  // Allows when the 64-bit argument is 0, else goes on.
  void allow_null(int argument) {
    load(low(argument));
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
    load(low(argument) + 4);
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
    allow();
  }
  void allow_if(int argument, std::uint32_t value) {
    load(low(argument));
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    allow();
  }
  template <class Body>
  void on(long number, Body body) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 1, 0);
    std::size_t jump = code.size();
    add(BPF_JMP | BPF_JA, 0);
    body();
    code[jump].k = static_cast<std::uint32_t>(code.size() - jump - 1);
  }
  void begin() {  // only for the native interface; leaves the number loaded
    load(offsetof(seccomp_data, arch));
    add(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0);
    native_ = code.size();
    add(BPF_JMP | BPF_JA, 0);
    load(offsetof(seccomp_data, nr));
  }
  void end() { code[native_].k = static_cast<std::uint32_t>(code.size() - native_ - 1); }

 private:
  std::size_t native_ = 0;
};

// A child with a stack of its own cannot return through our handler, so these are never carried out there.
void new_processes(Program& program) {
  constexpr std::uint32_t kNamespaces = 0x7e020000;  // CLONE_NEW* but for the time namespace, which clone cannot make
  program.on(SYS_clone, [&] {
    program.load(low(0));
    program.add(BPF_JMP | BPF_JSET | BPF_K, kNamespaces, 0, 1);
    program.ret(SECCOMP_RET_ERRNO | EPERM);
    program.allow();
  });
  program.on(SYS_clone3, [&] { program.ret(SECCOMP_RET_ERRNO | ENOSYS); });
}

// ARM's kernel takes a first argument that looks like one of its own restart codes, -516 to -512, for one when it delivers
// SIGSYS. Of the calls that stop only a wait for such a process group has one.
void group_waits(Program& program) {
  program.on(SYS_wait4, [&] {
    program.load(low(0));
    program.add(BPF_JMP | BPF_JGE | BPF_K, static_cast<std::uint32_t>(-516), 0, 2);
    program.add(BPF_JMP | BPF_JGT | BPF_K, static_cast<std::uint32_t>(-512), 1, 0);
    program.allow();
    program.stop();
  });
}

void root_descriptor(Program& program, std::uint32_t number) {
  auto guard = [&](long call, int argument) {
    program.on(call, [&] {
      program.load(low(argument));
      program.add(BPF_JMP | BPF_JEQ | BPF_K, number, 1, 0);
      program.allow();
      program.stop();
    });
  };
  guard(SYS_close, 0);
#if defined(SYS_dup2)
  guard(SYS_dup2, 1);
#endif
  guard(SYS_dup3, 1);
  program.on(SYS_close_range, [&] {
    program.load(low(0));
    program.add(BPF_JMP | BPF_JGT | BPF_K, number, 2, 0);
    program.load(low(1));
    program.add(BPF_JMP | BPF_JGE | BPF_K, number, 1, 0);
    program.allow();
    program.stop();
  });
}

void signal_calls(Program& program) {
  program.on(SYS_rt_sigprocmask, [&] {
    program.allow_if(0, SIG_UNBLOCK);
    program.allow_null(1);
    program.stop();
  });
  program.on(SYS_rt_sigaction, [&] {
    program.load(low(1));
    program.add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7);
    program.load(low(0));
    for (std::uint32_t signal : {SIGSEGV, SIGBUS, SIGSYS, 32, 33})
      program.add(BPF_JMP | BPF_JEQ | BPF_K, signal,
                  static_cast<unsigned>(signal == SIGSEGV ? 5 : signal == SIGBUS ? 4 : signal == SIGSYS ? 3 : signal == 32 ? 2 : 1), 0);
    program.allow();
    program.stop();
  });
  for (long number : {SYS_sigaltstack, SYS_rt_sigreturn}) program.on(number, [&] { program.stop(); });
  program.on(SYS_rt_sigsuspend, [&] { program.stop(); });
  auto masked = [&](long number, int argument) {
    program.on(number, [&] {
      program.allow_null(argument);
      program.stop();
    });
  };
  masked(SYS_ppoll, 3);
  masked(SYS_pselect6, 5);
  masked(SYS_epoll_pwait, 4);
  masked(SYS_epoll_pwait2, 4);
}

}  // namespace

std::vector<sock_filter> make_filter(const guest::View& view, Patch patch, int root_fd) {
  Program program;
  program.begin();
  new_processes(program);
  signal_calls(program);
  if (view.has(guest::kFakeIds)) {
    for (long number : kIdCalls) {
      bool user = number == SYS_getuid || number == SYS_geteuid;
      if ((user ? view.uid : view.gid) != 0) continue;
      program.on(number, [&] { program.ret(SECCOMP_RET_ERRNO | 0); });
    }
  }
  if constexpr (guest::kNativeAbi == guest::Abi::aarch64) group_waits(program);
  if (root_fd >= 0) root_descriptor(program, static_cast<std::uint32_t>(root_fd));
  if (patch == Patch::yes) {
    program.on(SYS_mmap, [&] {
      program.load(low(2));
      program.add(BPF_JMP | BPF_JSET | BPF_K, 4, 1, 0);
      program.allow();
      program.allow_if(4, 0xffffffff);
      program.stop();
    });
  }
  program.end();

  static constexpr std::uint16_t kPasses[] = {SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_waitid};
  guest::FilterSpec spec;
  spec.view = &view;
  spec.stop = SECCOMP_RET_TRAP;
  spec.engine_rows = true;
  spec.compat = false;
  spec.allow_from = kRuntimeBase;
  spec.allow_to = kRuntimeBase + kTextSize;
  spec.extra_passes = kPasses;
  spec.extra_pass_count = std::size(kPasses);
  const auto rows = std::make_unique_for_overwrite<sock_filter[]>(guest::kFilterCapacity);
  std::size_t count = guest::build_filter(spec, rows.get(), guest::kFilterCapacity);
  if (!count) throw Error("the system call filter is too long");
  program.code.insert(program.code.end(), rows.get(), rows.get() + count);
  if (program.code.size() > BPF_MAXINSNS) throw Error("the system call filter is too long");
  return std::move(program.code);
}

std::vector<sock_filter> make_query_filter() {
  Program program;
  program.begin();
  for (long number : kIdCalls) program.on(number, [&] { program.stop(); });
  program.end();
  program.allow();
  return program.code;
}

}  // namespace udocker::trap
