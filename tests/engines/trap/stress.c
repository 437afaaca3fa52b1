// Signals, threads, forks and execs together for SECONDS; nothing may be lost, fail or hang.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;
static atomic_int stop, failures;
static atomic_long calls, sent, received, children;
// Also called by handlers: nothing that takes locks.
static void fail(const char* what) {
  char line[100] = "FAIL ", digits[] = " (errno 000)\n";
  for (int i = 0, e = errno; i < 3; i++, e /= 10) digits[10 - i] += (char)(e % 10);
  strcat(strcat(line, what), digits);
  atomic_fetch_add(&failures, 1);
  (void)!write(1, line, strlen(line));
}
static void on_signal(int s) {
  int keep = errno;
  struct stat st;
  (void)s;
  if (stat("/etc/passwd", &st)) fail("stat in handler");
  atomic_fetch_add(&received, 1);
  errno = keep;
}
static void* caller(void* p) {
  char path[64], other[64];
  snprintf(path, sizeof path, "/tmp/stress-%d-%ld", (int)getpid(), (long)p);
  snprintf(other, sizeof other, "/tmp/stress-%d-%ld-b", (int)getpid(), (long)p);
  while (!stop) {
    struct stat st;
    if (stat("/etc/passwd", &st)) fail("stat");
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (fd < 0) fail("open");
    if (write(fd, "x", 1) != 1) fail("write");
    close(fd);
    if (rename(path, other)) fail("rename");
    if (unlink(other)) fail("unlink");
    if (access("/no/such/file", F_OK) == 0 || errno != ENOENT) fail("access");
    atomic_fetch_add(&calls, 6);
  }
  return 0;
}
static void* spawner(void* p) {
  (void)p;
  while (!stop) {
    pid_t pid;
    char* argv[] = {"true", 0};
    int status = 0, r = posix_spawn(&pid, "/bin/true", 0, 0, argv, environ);
    if (r) { errno = r; fail("posix_spawn"); continue; }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (status) fail("status of true");
    atomic_fetch_add(&children, 1);
    pid = fork();
    if (pid == 0) { struct stat st; _exit(stat("/etc/passwd", &st) ? 1 : 0); }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (status) fail("status of fork");
    atomic_fetch_add(&children, 1);
  }
  return 0;
}
static void* short_lived(void* p) { struct stat st; (void)p; if (stat("/etc/passwd", &st)) fail("stat in thread"); return 0; }
static void* threader(void* p) {
  (void)p;
  while (!stop) {
    pthread_t t[8];
    for (int i = 0; i < 8; i++) if (pthread_create(&t[i], 0, short_lived, 0)) fail("pthread_create");
    for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
  }
  return 0;
}
int main(int argc, char** argv) {
  // The queue is the user's, not the process's: leave room for everyone else's timers and signals.
  struct rlimit queue = {10000, 10000};
  setrlimit(RLIMIT_SIGPENDING, &queue);
  int seconds = argc > 1 ? atoi(argv[1]) : 5;
  struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGRTMIN, &sa, 0);
  pthread_t callers[4], spawners[2], threaders;
  for (long i = 0; i < 4; i++) pthread_create(&callers[i], 0, caller, (void*)i);
  for (int i = 0; i < 2; i++) pthread_create(&spawners[i], 0, spawner, 0);
  pthread_create(&threaders, 0, threader, 0);
  time_t end = time(0) + seconds;
  while (time(0) < end) {
    union sigval v = {0};
    for (int i = 0; i < 4; i++) if (pthread_sigqueue(callers[i], SIGRTMIN, v) == 0) atomic_fetch_add(&sent, 1);
    usleep(500);
  }
  stop = 1;
  for (int i = 0; i < 4; i++) pthread_join(callers[i], 0);
  for (int i = 0; i < 2; i++) pthread_join(spawners[i], 0);
  pthread_join(threaders, 0);
  printf("calls %ld signals %ld/%ld children %ld\n", calls, received, sent, children);
  if (received < sent) printf("FAIL lost signals\n"), failures++;
  return failures != 0;
}
