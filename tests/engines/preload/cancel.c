// Threads cancelled where they wait inside functions that name files, at any moment of the way there; each must end and be
// unwound. cancel ROUNDS. Prints how many were not, and the kind of one that waits on.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char *const kinds[] = {"fopen", "open", "openat", "openat below", "connect", "sendto", "sendmsg"};
enum { kKinds = sizeof kinds / sizeof *kinds };
static int directory, datagrams;
static struct sockaddr_un full = {AF_UNIX, "/tmp/cancel/full"}, busy = {AF_UNIX, "/tmp/cancel/busy"};

struct work {
  int kind, connecting, unwound;
};
static void note(void *at) { ++*(int *)at; }
static void *waits(void *in) {
  struct work *work = in;
  struct iovec data = {"x", 1};
  struct msghdr message = {.msg_name = &busy, .msg_namelen = sizeof busy, .msg_iov = &data, .msg_iovlen = 1};
  pthread_cleanup_push(note, &work->unwound);
  switch (work->kind) {
    case 0: fopen("/tmp/cancel/fifo", "r"); break;
    case 1: open("/tmp/cancel/fifo", O_RDONLY); break;
    case 2: openat(directory, "fifo", O_RDONLY); break;
    case 3: openat(directory, "below/fifo", O_RDONLY); break;
    case 4: connect(work->connecting, (void *)&full, sizeof full); break;
    case 5: sendto(datagrams, "x", 1, 0, (void *)&busy, sizeof busy); break;
    default: sendmsg(datagrams, &message, 0);
  }
  pthread_cleanup_pop(0);
  return 0;
}

int main(int argc, char **argv) {
#ifdef __GLIBC__
  const int first = 0;
#else
  const int first = 1;  // musl's fopen is none of these functions
#endif
  const int rounds = argc > 1 ? atoi(argv[1]) : 100;
  mkdir("/tmp/cancel", 0700), mkdir("/tmp/cancel/below", 0700);
  mkfifo("/tmp/cancel/fifo", 0600), mkfifo("/tmp/cancel/below/fifo", 0600);
  directory = open("/tmp/cancel", O_RDONLY | O_DIRECTORY);
  // A queue of connections and one of messages that are full.
  int server = socket(AF_UNIX, SOCK_STREAM, 0), s = -1;
  unlink(full.sun_path), unlink(busy.sun_path);
  bind(server, (void *)&full, sizeof full);
  listen(server, 0);
  do s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  while (connect(s, (void *)&full, sizeof full) == 0);
  int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
  bind(receiver, (void *)&busy, sizeof busy);
  datagrams = socket(AF_UNIX, SOCK_DGRAM, 0);
  while (sendto(datagrams, "x", 1, MSG_DONTWAIT, (void *)&busy, sizeof busy) == 1) {}
  unsigned seed = (unsigned)getpid();
  int ended = 0, unwound = 0;
  for (int i = 0; i < rounds; i++)
    for (int kind = first; kind < kKinds; kind++) {
      pthread_t thread;
      void *result = 0;
      struct work work = {kind, socket(AF_UNIX, SOCK_STREAM, 0), 0};
      if (pthread_create(&thread, 0, waits, &work)) return 2;
      for (volatile int spin = rand_r(&seed) % (i % 2 ? 200000 : 5000); spin > 0; spin--) {}
      // Refused while too many signals are queued for the user.
      while (pthread_cancel(thread) == EAGAIN) usleep(1000);
      if (pthread_timedjoin_np(thread, &result, &(struct timespec){time(0) + 60, 0})) {
        printf("%s: not cancelled in round %d\n", kinds[kind], i);
        fflush(stdout);
        _exit(1);
      }
      ended += result == PTHREAD_CANCELED, unwound += work.unwound == 1;
      close(work.connecting);
    }
  printf("%d not cancelled, %d not unwound\n", rounds * (kKinds - first) - ended, rounds * (kKinds - first) - unwound);
  return 0;
}
