/* A tracer of its own children: prints what it sees, which must be the same inside an engine and outside.
 * tracer WHAT: traceme, seize, attach, calls, step, threads, exec, signals, exitkill, waitid. Build: cc -O1 -pthread -static */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <elf.h>

static volatile long shared = 7;
static const char *self;

static void show(const char *what, int status) {
    if (WIFEXITED(status)) printf("%s: exited %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) printf("%s: killed %d\n", what, WTERMSIG(status));
    else printf("%s: stopped %d event %d\n", what, WSTOPSIG(status), status >> 16);
}
static int await(const char *what, pid_t pid) {
    int status = 0;
    pid_t got = waitpid(pid, &status, __WALL);
    if (got != pid) printf("%s: wait %s\n", what, got < 0 ? strerror(errno) : "another");
    else show(what, status);
    return status;
}
static void expect(const char *what, long result) { printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done"); }
static long go(int how, pid_t pid, long signal) { return ptrace(how, pid, 0, signal); }

static pid_t child_traceme(void (*work)(void)) {
    pid_t pid = fork();
    if (pid) return pid;
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    work();
    _exit(3);
}
static void nothing(void) {}
static void change(void) { shared += 1; _exit((int)shared); }

static void traceme(void) {
    pid_t pid = child_traceme(change);
    await("start", pid);
    errno = 0;
    long word = ptrace(PTRACE_PEEKDATA, pid, &shared, 0);
    printf("peek %ld %d\n", word, errno);
    expect("poke", ptrace(PTRACE_POKEDATA, pid, &shared, 41L));
    siginfo_t info;
    expect("siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &info));
    printf("signal %d from itself %d\n", info.si_signo, info.si_pid == pid);
    struct user_regs_struct regs;
    struct iovec io = {&regs, sizeof regs};
    expect("regset", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io));
    printf("size %d\n", io.iov_len == sizeof regs);
    expect("not stopped by us", ptrace(PTRACE_PEEKDATA, getppid(), &shared, 0));
    go(PTRACE_CONT, pid, 0);
    await("end", pid);
    expect("after the end", go(PTRACE_CONT, pid, 0));
}
static void signalled(void) { raise(SIGUSR1); raise(SIGUSR2); _exit(4); }
static void signals(void) {
    pid_t pid = child_traceme(signalled);
    await("start", pid);
    go(PTRACE_CONT, pid, 0);
    await("USR1", pid);
    go(PTRACE_CONT, pid, 0); /* suppressed */
    await("USR2", pid);
    go(PTRACE_CONT, pid, SIGTERM); /* another one in its place */
    await("end", pid);
    pid = child_traceme(nothing);
    await("start", pid);
    expect("kill", ptrace(PTRACE_KILL, pid, 0, 0));
    await("end", pid);
    pid = child_traceme(nothing);
    await("start", pid);
    expect("detach", ptrace(PTRACE_DETACH, pid, 0, 0));
    await("end", pid);
}
static void some_calls(void) {
    syscall(SYS_getppid);
    syscall(SYS_chdir, "/no/such/directory");
    syscall(SYS_close, 99);
    syscall(SYS_chdir, "/tmp");
    _exit(5);
}
static void calls(void) {
    pid_t pid = child_traceme(some_calls);
    await("start", pid);
    expect("options", ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
    int entry = 1;
    while (1) {
        int status;
        go(PTRACE_SYSCALL, pid, 0);
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) { show("end", status); return; }
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) { show("stop", status); continue; }
        unsigned char info[96] = {0};
        long size = ptrace((enum __ptrace_request)0x420e, pid, sizeof info, info);
        uint64_t words[9];
        memcpy(words, info + 24, 72 < size - 24 ? 72 : size - 24);
        if (entry) {
            char text[32] = "";
            printf("entry op %d number %d", info[0], (int)words[0]);
            if (words[0] == SYS_chdir) {
                struct iovec local = {text, sizeof text - 1}, remote = {(void *)words[1], sizeof text - 1};
                process_vm_readv(pid, &local, 1, &remote, 1, 0);
                printf(" path %s", text);
            }
            printf(" size %ld\n", size);
        } else if (size > 0) {
            long value = (long)words[0];
            printf("exit op %d value %ld error %d\n", info[0], value > 0 ? 1 : value, info[32]);
        }
        entry = !entry;
    }
}
static void step(void) {
    pid_t pid = child_traceme(change);
    int status, steps = 0;
    await("start", pid);
    for (; steps < 200; steps++) {
        go(PTRACE_SINGLESTEP, pid, 0);
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) break;
        if (WSTOPSIG(status) != SIGTRAP) { show("odd", status); break; }
    }
    if (WIFSTOPPED(status)) { go(PTRACE_CONT, pid, 0); waitpid(pid, &status, 0); }
    printf("many steps %d\n", steps > 5);
    show("end", status);
}
static void loop(void) { for (;;) pause(); }
static pid_t running(void) {
    pid_t pid = fork();
    if (pid == 0) { loop(); }
    usleep(20000);
    return pid;
}
static void seize(void) {
    pid_t pid = running();
    expect("seize", ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
    int status;
    printf("nothing yet %d\n", (int)waitpid(pid, &status, WNOHANG));
    expect("not stopped", ptrace(PTRACE_PEEKDATA, pid, &shared, 0));
    expect("interrupt", ptrace(PTRACE_INTERRUPT, pid, 0, 0));
    await("interrupted", pid);
    go(PTRACE_CONT, pid, 0);
    kill(pid, SIGSTOP);
    await("signal", pid);
    go(PTRACE_CONT, pid, SIGSTOP);
    await("group stop", pid);
    expect("listen", ptrace(PTRACE_LISTEN, pid, 0, 0));
    kill(pid, SIGCONT);
    await("woken", pid);
    go(PTRACE_CONT, pid, 0);
    await("SIGCONT", pid);
    expect("detach", ptrace(PTRACE_DETACH, pid, 0, 0));
    kill(pid, SIGKILL);
    await("end", pid);
}
static void attach(void) {
    pid_t middle, pid;
    int pipes[2];
    if (pipe(pipes)) return;
    if ((middle = fork()) == 0) { /* a grandchild: not our own */
        pid_t grand = fork();
        if (grand == 0) loop();
        if (write(pipes[1], &grand, sizeof grand) < 0) _exit(1);
        int status;
        waitpid(grand, &status, 0);
        _exit(WIFSIGNALED(status) ? 50 + WTERMSIG(status) : 1);
    }
    if (read(pipes[0], &pid, sizeof pid) != sizeof pid) return;
    int status;
    printf("not ours %d\n", waitpid(pid, &status, WNOHANG) < 0 && errno == ECHILD);
    expect("attach", ptrace(PTRACE_ATTACH, pid, 0, 0));
    await("attached", pid);
    expect("again", ptrace(PTRACE_ATTACH, pid, 0, 0));
    go(PTRACE_CONT, pid, 0);
    printf("runs %d\n", (int)waitpid(pid, &status, WNOHANG));
    kill(pid, SIGTERM);
    await("signal", pid);
    go(PTRACE_CONT, pid, SIGTERM);
    await("end", pid);
    await("its parent", middle);
}
static void *thread(void *arg) { shared = 1; usleep(1000); return arg; }
static void with_threads(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, thread, 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
    pid_t pid = fork();
    if (pid == 0) _exit(9);
    int status;
    waitpid(pid, &status, 0);
    _exit(6);
}
static void threads(void) {
    pid_t pid = child_traceme(with_threads);
    await("start", pid);
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT);
    go(PTRACE_CONT, pid, 0);
    int clones = 0, forks = 0, starts = 0, exits = 0, ends = 0, last = 0, status;
    pid_t got;
    while ((got = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status)) { ends++; if (got == pid) last = status; continue; }
        int signal = 0;
        if (status >> 16 == PTRACE_EVENT_CLONE) clones++;
        else if (status >> 16 == PTRACE_EVENT_FORK) forks++;
        else if (status >> 16 == PTRACE_EVENT_EXIT) exits++;
        else if (WSTOPSIG(status) == SIGSTOP) starts++;
        else signal = WSTOPSIG(status);
        go(PTRACE_CONT, got, signal);
    }
    printf("clones %d forks %d starts %d exits %d ends %d nothing left %d\n", clones, forks, starts, exits, ends, errno == ECHILD);
    show("end", last);
}
static void exec_self(void) { execl(self, self, "child", (char *)0); _exit(1); }
static void execs(int option, const char *name) {
    printf("%s\n", name);
    pid_t pid = child_traceme(exec_self);
    await("start", pid);
    ptrace(PTRACE_SETOPTIONS, pid, 0, option);
    go(PTRACE_CONT, pid, 0);
    int status = await("exec", pid);
    unsigned long message = 0;
    ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
    if (status >> 16) printf("message is itself %d\n", message == (unsigned long)pid);
    go(PTRACE_CONT, pid, 0);
    await("end", pid);
    pid = child_traceme(exec_self);
    await("start", pid);
    ptrace(PTRACE_SETOPTIONS, pid, 0, option | PTRACE_O_TRACESYSGOOD);
    for (int i = 0; i < 4; i++) { go(PTRACE_SYSCALL, pid, 0); await("call", pid); }
    kill(pid, SIGKILL);
    await("end", pid);
}
static void waitids(void) {
    pid_t pid = child_traceme(nothing);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    expect("waitid", waitid(P_PID, pid, &info, WSTOPPED | WEXITED | WNOWAIT));
    printf("code %d status %d same %d\n", info.si_code, info.si_status, info.si_pid == pid);
    expect("waitid", waitid(P_ALL, 0, &info, WSTOPPED | WEXITED));
    printf("code %d status %d same %d\n", info.si_code, info.si_status, info.si_pid == pid);
    expect("nothing", waitid(P_ALL, 0, &info, WSTOPPED | WEXITED | WNOHANG));
    printf("pid %d\n", info.si_pid);
    go(PTRACE_CONT, pid, 0);
    expect("waitid", waitid(P_PGID, getpgrp(), &info, WEXITED));
    printf("code %d status %d same %d\n", info.si_code, info.si_status, info.si_pid == pid);
    expect("none left", waitid(P_ALL, 0, &info, WEXITED));
}
static volatile sig_atomic_t children, alarms;
static void on_child(int signal, siginfo_t *info, void *context) { (void)context; (void)signal; children += info->si_code == CLD_TRAPPED; }
static void on_alarm(int signal) { (void)signal; alarms++; }
static void handlers(void) {
    struct sigaction action = {0};
    action.sa_sigaction = on_child;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGCHLD, &action, 0);
    pid_t pid = child_traceme(loop);
    await("start", pid);
    for (int i = 0; i < 100 && !children; i++) usleep(10000);
    printf("told %d\n", children > 0);
    go(PTRACE_CONT, pid, 0);
    struct sigaction interrupting = {0};
    interrupting.sa_handler = on_alarm;
    sigaction(SIGALRM, &interrupting, 0);
    struct { long interval[2], value[2]; } timer = {{0, 50000}, {0, 50000}}, off = {{0, 0}, {0, 0}};
    syscall(SYS_setitimer, 0, &timer, 0);
    int status;
    pid_t got = waitpid(pid, &status, __WALL);
    int error = errno;
    syscall(SYS_setitimer, 0, &off, 0);
    printf("interrupted %d %d alarms %d\n", (int)got, error == EINTR, alarms > 0);
    kill(pid, SIGKILL);
    await("end", pid);
}
static void exitkill(void) {
    int pipes[2];
    if (pipe(pipes)) return;
    pid_t middle = fork();
    if (middle == 0) {
        pid_t pid = fork();
        if (pid == 0) loop();
        close(pipes[0]);
        ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL);
        _exit(0);
    }
    close(pipes[1]);
    await("tracer", middle);
    char byte;
    printf("its tracee too %d\n", (int)read(pipes[0], &byte, 1));
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    const char *what = argc > 1 ? argv[1] : "";
    self = argv[0];
#define RUN(name) if (!strcmp(what, #name)) { name(); return 0; }
    if (!strcmp(what, "child")) return 8;
    RUN(traceme) RUN(seize) RUN(attach) RUN(calls) RUN(step) RUN(threads) RUN(signals) RUN(exitkill) RUN(waitids) RUN(handlers)
    if (!strcmp(what, "exec")) { execs(0, "plain"); execs(PTRACE_O_TRACEEXEC, "event"); return 0; }
    return 2;
}
