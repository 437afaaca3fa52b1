// oldorder command...: a tracer, run as on kernels before Linux 4.8: a seccomp stop comes before the stop at the call's entry,
// and PTRACE_GET_SYSCALL_INFO is not known. Stops of calls that the tracer skips have no entry there.
// The command's own calls of ptrace and wait4 are followed and changed; what it traces is not touched.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kPids = 1 << 22, kSyscallInfo = 0x420e };
static char at_seccomp[kPids], skipped[kPids];
static pid_t due[4096];
static int dues, given;

static void transfer(pid_t pid, int writing, unsigned long address, void *data, size_t size) {
  struct iovec local = {data, size}, remote = {(void *)address, size};
  if (address) (writing ? process_vm_writev : process_vm_readv)(pid, &local, 1, &remote, 1, 0);
}

// The call at hand is not made: its result.
static int answer(pid_t pid, struct user_regs_struct *regs, long result, long *instead) {
  regs->orig_rax = (unsigned long)-1;
  ptrace(PTRACE_SETREGS, pid, 0, regs);
  *instead = result;
  return 1;
}

static int on_entry(pid_t pid, struct user_regs_struct *regs, long *instead) {
  const pid_t who = (pid_t)regs->rsi;
  if (regs->orig_rax == SYS_wait4) {
    if (!dues || ((pid_t)regs->rdi != -1 && (pid_t)regs->rdi != due[dues - 1])) return 0;
    int status = (SIGTRAP | 0x80) << 8 | 0x7f;
    transfer(pid, 1, regs->rsi, &status, sizeof status);
    return answer(pid, regs, due[--dues], instead);
  }
  if (regs->orig_rax != SYS_ptrace || who <= 0 || who >= kPids) return 0;
  switch ((int)regs->rdi) {
    case kSyscallInfo: return answer(pid, regs, -EIO, instead);
    case PTRACE_SETREGS: {
      struct user_regs_struct set = {0};
      transfer(pid, 0, regs->r10, &set, sizeof set);
      skipped[who] = at_seccomp[who] && set.orig_rax == (unsigned long)-1;
      return 0;
    }
    case PTRACE_SYSCALL: {
      const int entry = at_seccomp[who] && !skipped[who];
      at_seccomp[who] = skipped[who] = 0;
      if (!entry) return 0;
      given++;
      due[dues++] = who;
      return answer(pid, regs, 0, instead);
    }
    case PTRACE_CONT: case PTRACE_DETACH: case PTRACE_SINGLESTEP: at_seccomp[who] = 0; return 0;
    default: return 0;
  }
}

int main(int count, char **words) {
  if (count < 2) return 99;
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    execvp(words[1], words + 1);
    _exit(98);
  }
  int status, inside = 0, answered = 0;
  long instead = 0;
  waitpid(pid, &status, 0);
  ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC);
  for (int deliver = 0;;) {
    ptrace(PTRACE_SYSCALL, pid, 0, deliver);
    if (waitpid(pid, &status, 0) != pid) return 97;
    if (WIFEXITED(status) || WIFSIGNALED(status)) break;
    deliver = 0;
    if (status >> 16) continue;
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
      deliver = WSTOPSIG(status);
      continue;
    }
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    if ((inside = !inside)) {
      answered = on_entry(pid, &regs, &instead);
    } else if (answered) {
      regs.rax = (unsigned long)instead;
      ptrace(PTRACE_SETREGS, pid, 0, &regs);
      answered = 0;
    } else if (regs.orig_rax == SYS_wait4 && (long)regs.rax > 0 && (long)regs.rax < kPids) {
      int seen = 0;
      transfer(pid, 0, regs.rsi, &seen, sizeof seen);
      at_seccomp[regs.rax] = WIFSTOPPED(seen) && seen >> 16 == PTRACE_EVENT_SECCOMP;
      skipped[regs.rax] = 0;
    }
  }
  if (!given) fprintf(stderr, "oldorder: no stop came in the old order\n");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
