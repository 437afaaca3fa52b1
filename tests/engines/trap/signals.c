// Signal behaviour that programs rely on; prints one line per failure, exits 1 if any. Run inside and outside alike.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static int failures;
static void check(int good, const char* what) {
  if (!good) printf("FAIL %s (errno %d)\n", what, errno), failures++;
}
static volatile sig_atomic_t hits, nested_ok;
static void count(int s) { (void)s; hits++; }
static int works(void) { struct stat st; return stat("/etc/passwd", &st) == 0; }

static void masks(void) {
  sigset_t all, old, empty;
  sigfillset(&all);
  sigemptyset(&empty);
  check(!sigprocmask(SIG_BLOCK, &all, &old), "block all");
  check(works(), "stat with all signals blocked");
  sigset_t now;
  sigprocmask(SIG_SETMASK, NULL, &now);
  check(sigismember(&now, SIGUSR1) && sigismember(&now, SIGTERM), "mask is shown");
  kill(getpid(), SIGUSR1);
  signal(SIGUSR1, count);
  hits = 0;
  check(works() && hits == 0, "blocked signal stays pending");
  sigprocmask(SIG_SETMASK, &old, NULL);
  check(hits == 1, "pending signal comes with the mask");
  struct sigaction sa = {.sa_handler = count};
  sigfillset(&sa.sa_mask);
  check(!sigaction(SIGUSR2, &sa, NULL), "action with full mask");
  struct sigaction back;
  sigaction(SIGUSR2, NULL, &back);
  check(back.sa_handler == count, "action is shown");
  errno = 0;
  check(sigprocmask(99, &all, NULL) == -1 && errno == EINVAL, "bad how");
  check(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void*)8, NULL, 8) == -1 && errno == EFAULT, "bad set");
}

static void in_handler(int s) {
  (void)s;
  nested_ok = works();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  nested_ok = nested_ok && works();
}
static void handlers(void) {
  struct sigaction sa = {.sa_handler = in_handler};
  sigfillset(&sa.sa_mask);
  sigaction(SIGUSR1, &sa, NULL);
  raise(SIGUSR1);
  check(nested_ok, "calls inside a handler that blocks everything");
  sigset_t now;
  sigprocmask(SIG_SETMASK, NULL, &now);
  check(!sigismember(&now, SIGTERM), "handler's own mask is gone after it");
  sa.sa_flags = SA_RESETHAND;
  sa.sa_handler = count;
  sigaction(SIGUSR1, &sa, NULL);
  raise(SIGUSR1);
  sigaction(SIGUSR1, NULL, &sa);
  check(sa.sa_handler == SIG_DFL, "SA_RESETHAND");
}

static void block_in_frame(int s, siginfo_t* i, void* c) { (void)s; (void)i; sigfillset(&((ucontext_t*)c)->uc_sigmask); }
static void frames(void) {
  struct sigaction sa = {.sa_sigaction = block_in_frame, .sa_flags = SA_SIGINFO};
  sigset_t now, empty;
  sigemptyset(&empty);
  sigaction(SIGUSR1, &sa, NULL);
  raise(SIGUSR1);
  sigprocmask(SIG_SETMASK, NULL, &now);
  check(sigismember(&now, SIGTERM), "a handler sets the mask by its frame");
  check(works(), "stat after a frame that blocks everything");
  sigprocmask(SIG_SETMASK, &empty, NULL);
  signal(SIGUSR1, SIG_DFL);
  ucontext_t context;
  volatile int rounds = 0;
  getcontext(&context);
  sigfillset(&context.uc_sigmask);
  if (rounds++ == 0) setcontext(&context);
  check(works(), "stat after setcontext that blocks everything");
  sigprocmask(SIG_SETMASK, &empty, NULL);
}

static int child_works(void* p) { (void)p; return works() ? 0 : 1; }
static int child_execs(void* p) { (void)p; execl("/bin/true", "true", NULL); return 3; }
static void clones(void) {
  const size_t size = 1 << 18;
  char* stack = malloc(size);
  const int flags[] = {SIGCHLD, CLONE_VM | SIGCHLD, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED | SIGCHLD,
                       CLONE_VM | CLONE_SIGHAND | SIGCHLD};
  for (int i = 0; i < 8; i++) {
    int status = -1;
    pid_t child = clone(i % 2 ? child_execs : child_works, stack + size, flags[i / 2], NULL);
    check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child with a stack of its own");
    check(works(), "stat after it");
  }
  free(stack);
  check(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EPERM, "namespaces are refused");
}

// Static programs that map code are loaders, debuggers and simulators: they must see the file itself.
static void maps(void) {
  if (getauxval(AT_BASE)) return;
  int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY);
  if (fd < 0) return;
  struct stat st;
  fstat(fd, &st);
  char *mapped = mmap(0, st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), *text = malloc(st.st_size);
  check(pread(fd, text, st.st_size, 0) == st.st_size && !memcmp(mapped, text, st.st_size), "mapped code is the file's");
  free(text);
  close(fd);
}

static void sys_signal(void) {
  struct sigaction sa = {.sa_handler = SIG_IGN}, old;
  check(!sigaction(SIGSYS, &sa, &old) && old.sa_handler == SIG_DFL, "ignore SIGSYS");
  check(works(), "stat while SIGSYS is ignored");
  kill(getpid(), SIGSYS);
  sa.sa_handler = count;
  hits = 0;
  sigaction(SIGSYS, &sa, &old);
  check(old.sa_handler == SIG_IGN, "SIGSYS action is shown");
  check(works() && hits == 0, "own SIGSYS handler is not called for our stops");
  kill(getpid(), SIGSYS);
  check(hits == 1, "own SIGSYS handler is called for a sent one");
  signal(SIGSYS, SIG_DFL);
  pid_t child = fork();
  if (child == 0) { kill(getpid(), SIGSYS); _exit(0); }
  int status;
  waitpid(child, &status, 0);
  check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "default action of a sent SIGSYS");
}

static sigjmp_buf jump;
static void* fault_address;
static void on_fault(int s, siginfo_t* info, void* c) { (void)s; (void)c; fault_address = info->si_addr; siglongjmp(jump, 1); }
static void faults(void) {
  struct stat st;
  errno = 0;
  check(syscall(SYS_newfstatat, AT_FDCWD, (void*)8, &st, 0) == -1 && errno == EFAULT, "bad path pointer is EFAULT");
  errno = 0;
  check(open((void*)-1, O_RDONLY) == -1 && errno == EFAULT, "bad high pointer is EFAULT");
  const long size = sysconf(_SC_PAGESIZE);
  char* page = mmap(0, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + size, size);
  memset(page, 'a', size);
  errno = 0;
  check(open(page + size - 96, O_RDONLY) == -1 && errno == EFAULT, "path running into a hole is EFAULT");
  strcpy(page + size - 12, "/etc/passwd");
  check(open(page + size - 12, O_RDONLY) >= 0, "path ending at a hole");
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
  sigaction(SIGSEGV, &sa, &old);
  check(old.sa_handler == SIG_DFL, "first SIGSEGV action is the default");
  if (!sigsetjmp(jump, 1)) *(volatile int*)24 = 1;
  check(fault_address == (void*)24, "own SIGSEGV handler sees the address");
  errno = 0;
  check(open((void*)8, O_RDONLY) == -1 && errno == EFAULT, "EFAULT with own SIGSEGV handler");
  sigaction(SIGSEGV, NULL, &old);
  check(old.sa_sigaction == on_fault && (old.sa_flags & SA_SIGINFO), "SIGSEGV action is shown");
  signal(SIGSEGV, SIG_DFL);
  pid_t child = fork();
  if (child == 0) { *(volatile int*)0 = 1; _exit(0); }
  int status;
  waitpid(child, &status, 0);
  check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "a fault kills by default");
  child = fork();
  if (child == 0) { kill(getpid(), SIGSEGV); _exit(0); }
  waitpid(child, &status, 0);
  check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "a sent SIGSEGV kills by default");
  signal(SIGSEGV, SIG_IGN);
  kill(getpid(), SIGSEGV);
  check(1, "ignored SIGSEGV");
  signal(SIGSEGV, SIG_DFL);
}

static char small_stack[8192];
static volatile int on_alt;
static void deep(int s) {
  (void)s;
  on_alt = works();
  stack_t now;
  sigaltstack(NULL, &now);
  on_alt = on_alt && (now.ss_flags & SS_ONSTACK) && now.ss_sp == small_stack;
}
static void stacks(void) {
  stack_t mine = {.ss_sp = small_stack, .ss_size = sizeof small_stack}, old;
  check(!sigaltstack(&mine, &old) && (old.ss_flags & SS_DISABLE), "small signal stack");
  check(!sigaltstack(NULL, &old) && old.ss_sp == small_stack && old.ss_size == sizeof small_stack, "signal stack is shown");
  struct sigaction sa = {.sa_handler = deep, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &sa, NULL);
  raise(SIGUSR1);
  check(on_alt, "calls on the signal stack");
  check(works(), "stat with a signal stack");
  mine.ss_flags = SS_DISABLE;
  check(!sigaltstack(&mine, NULL) && !sigaltstack(NULL, &old) && (old.ss_flags & SS_DISABLE), "signal stack off");
  char* big = malloc(262144);
  mine = (stack_t){.ss_sp = big, .ss_size = 262144};
  check(!sigaltstack(&mine, NULL), "large signal stack");
  raise(SIGUSR1);
  sigaltstack(NULL, &old);
  check(old.ss_sp == big, "large signal stack is shown");
  mine.ss_flags = SS_DISABLE;
  sigaltstack(&mine, NULL);
}

static void* later(void* p) { usleep(100000); pthread_kill(*(pthread_t*)p, SIGUSR1); return 0; }
static void waits(void) {
  pthread_t self = pthread_self(), helper;
  sigset_t block, open_mask;
  sigfillset(&open_mask);
  sigdelset(&open_mask, SIGUSR1);
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  signal(SIGUSR1, count);
  sigprocmask(SIG_BLOCK, &block, NULL);
  struct timespec enough = {100, 0};
  int e = epoll_create1(0);
  struct epoll_event ev;
  for (int i = 0; i < 4; i++) {
    hits = 0;
    pthread_create(&helper, 0, later, &self);
    int r = i == 0 ? sigsuspend(&open_mask) : i == 1 ? ppoll(0, 0, &enough, &open_mask)
            : i == 2 ? pselect(0, 0, 0, 0, &enough, &open_mask) : epoll_pwait(e, &ev, 1, 100000, &open_mask);
    const char* names[] = {"sigsuspend", "ppoll", "pselect", "epoll_pwait"};
    check(r == -1 && errno == EINTR && hits == 1, names[i]);
    pthread_join(helper, 0);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    check(sigismember(&now, SIGUSR1), "mask after the wait");
  }
  sigfillset(&block);
  int fd = signalfd(-1, &block, 0);
  kill(getpid(), SIGUSR1);
  struct signalfd_siginfo si;
  check(works() && read(fd, &si, sizeof si) == sizeof si && si.ssi_signo == SIGUSR1, "signalfd");
  kill(getpid(), SIGUSR1);
  siginfo_t info;
  check(sigtimedwait(&block, &info, &enough) == SIGUSR1, "sigtimedwait of all");
  sigprocmask(SIG_UNBLOCK, &block, NULL);
}

static void* open_fifo(void* path) { int fd = open(path, O_RDONLY); return (void*)(long)(fd < 0 ? -errno : fd); }
static volatile int cleaned;
static void clean(void* p) { (void)p; cleaned = 1; }
static void* cancelled(void* path) {
  pthread_cleanup_push(clean, 0);
  (void)!open(path, O_RDONLY);
  pthread_cleanup_pop(0);
  return 0;
}
static void blocking(void) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/trap-fifo-%d", (int)getpid());
  check(!mkfifo(path, 0600), "mkfifo");
  pthread_t thread;
  struct sigaction sa = {.sa_handler = count};
  sigaction(SIGUSR1, &sa, NULL);
  hits = 0;
  pthread_create(&thread, 0, open_fifo, path);
  void* result;
  while (pthread_tryjoin_np(thread, &result)) {  // a signal that comes before the open interrupts nothing
    usleep(20000);
    pthread_kill(thread, SIGUSR1);
  }
  check((long)result == -EINTR && hits >= 1, "blocking open is interrupted");
  sa.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &sa, NULL);
  hits = 0;
  pthread_create(&thread, 0, open_fifo, path);
  for (int seen = 0; seen < 3;) {
    usleep(20000);
    pthread_kill(thread, SIGUSR1);
    seen++;
    while (hits < seen) sched_yield();
  }
  int w = open(path, O_RDWR);  // waits for nobody
  pthread_join(thread, &result);
  check((long)result >= 0, "blocking open is restarted");
  close(w);
  pthread_create(&thread, 0, cancelled, path);
  usleep(100000);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  check(result == PTHREAD_CANCELED && cleaned, "blocking open is cancelled and cleaned up");
  unlink(path);
}

static void jump_out(int s) { (void)s; siglongjmp(jump, 1); }
static void jumps(void) {
  struct itimerval often = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
  signal(SIGALRM, jump_out);
  volatile int rounds = 0;
  sigsetjmp(jump, 1);
  setitimer(ITIMER_REAL, &often, 0);
  if (rounds++ < 300) for (;;) if (!works()) { check(0, "stat between jumps"); break; }
  setitimer(ITIMER_REAL, &off, 0);
  signal(SIGALRM, SIG_DFL);
  check(works(), "stat after jumps out of handlers");
}

static void spawns(void) {
  extern char** environ;
  for (int i = 0; i < 20; i++) {
    pid_t pid;
    char* argv[] = {"sh", "-c", "exit 7", 0};
    posix_spawnattr_t attr;
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int status = 0;
    check(!posix_spawn(&pid, "/bin/sh", 0, &attr, argv, environ) && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7,
          "posix_spawn with defaults");
    check(posix_spawn(&pid, "/no/such", 0, 0, argv, environ) == ENOENT, "posix_spawn of nothing");
    check(works(), "stat after posix_spawn");
  }
  pid_t child = vfork();
  if (child == 0) { execl("/no/such", "x", NULL); _exit(errno == ENOENT ? 3 : 4); }
  int status;
  waitpid(child, &status, 0);
  check(WEXITSTATUS(status) == 3, "vfork, failed exec, exit");
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  masks(); handlers(); frames(); clones(); maps(); sys_signal(); faults(); stacks(); waits(); blocking(); jumps(); spawns();
  if (!failures) printf("signals: all good\n");
  return failures != 0;
}
