// What the kernel offers beside files and signals, as a guest would use it: each works or is refused with the error of a
// kernel that lacks it. Prints one line per failure, exits 1 if any.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failures;
static void check(int good, const char* what) {
  if (!good) printf("FAIL %s (errno %d)\n", what, errno), failures++;
}
static int works(void) { struct stat st; return stat("/etc/passwd", &st) == 0; }

static void dispatch(void) {
  static char selector = 1;  // block
  errno = 0;
  check(prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector) == -1 && errno == EINVAL, "syscall user dispatch is refused");
  check(prctl(59, 0, 0, 0, 0) == 0 || errno == EINVAL, "and so is to end it, or it does nothing");
  check(works(), "stat behind it");
}

static void rings(void) {
  char parameters[256] = "";
  for (long number = 425; number <= 427; number++) {
    errno = 0;
    check(syscall(number, 1, parameters, 0, 0, 0, 0) == -1 && errno == ENOSYS, "io_uring is refused");
  }
}

// A page of a path that another thread delivers when it is missed: by the runtime's own reading of it.
static int faults;
static char* missing;
static void* deliver(void* unused) {
  (void)unused;
  static char page[65536] __attribute__((aligned(65536)));
  struct uffd_msg message;
  strcpy(page + 16, "/etc/passwd");
  if (read(faults, &message, sizeof message) != sizeof message || message.event != UFFD_EVENT_PAGEFAULT) return "read";
  struct uffdio_copy copy = {.dst = (uintptr_t)missing, .src = (uintptr_t)page, .len = (uint64_t)sysconf(_SC_PAGESIZE)};
  return ioctl(faults, UFFDIO_COPY, &copy) ? "copy" : NULL;
}
static void user_faults(void) {
  faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  if (faults < 0) {
    printf("no userfaultfd here: %s\n", strerror(errno));
    return;
  }
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  missing = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_api api = {.api = UFFD_API};
  struct uffdio_register range = {.range = {(uintptr_t)missing, size}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  check(!ioctl(faults, UFFDIO_API, &api) && !ioctl(faults, UFFDIO_REGISTER, &range), "register a page");
  pthread_t thread;
  void* failed;
  pthread_create(&thread, NULL, deliver, NULL);
  int fd = open(missing + 16, O_RDONLY);
  check(fd >= 0, "open a path that is not there yet");
  if (fd < 0) (void)*(volatile char*)missing;  // so that the thread ends
  pthread_join(thread, &failed);
  check(!failed, failed ? failed : "");
}

// Descriptors in /proc, reached by openat2 and from inside it: the engine's own is not among them.
static int numbers(int directory) {
  int count = 0;
  DIR* listing = directory < 0 ? NULL : fdopendir(directory);
  if (!listing) return -1;
  for (struct dirent* entry; (entry = readdir(listing));) count += entry->d_name[0] != '.';
  closedir(listing);
  return count;
}
static int open2(int directory, const char* path, uint64_t flags) {
  uint64_t how[3] = {flags, 0, 0};
  return (int)syscall(437, directory, path, how, sizeof how);
}
static void descriptors(int way) {
  int passwd = open("/etc/passwd", O_RDONLY), proc = open("/proc/self", O_PATH);
  char name[64], first[64] = "", second[64] = "";
  snprintf(name, sizeof name, "/proc/self/fd/%d", passwd);
  int again = open2(AT_FDCWD, name, O_RDONLY), below = open2(proc, strrchr(name, '/') - 2, O_RDONLY);
  check(pread(passwd, first, 32, 0) > 0 && pread(again, second, 32, 0) > 0 && !strcmp(first, second), "openat2 of an own descriptor");
  check(below >= 0 || errno == ENOSYS, "openat2 of it from /proc/self");
  if (again >= 0) close(again);
  if (below >= 0) close(below);
  int listed = -1, own = 1;  // the listing itself
  for (int fd = 0; fd < 256; fd++) own += fcntl(fd, F_GETFD) >= 0;
  if (way == 0) listed = numbers(open2(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY));
  if (way == 1) listed = numbers(open2(proc, "fd/.", O_RDONLY | O_DIRECTORY));
  if (way == 2) listed = numbers(open("/proc/self/fd/.", O_RDONLY | O_DIRECTORY));
  if (way == 3) listed = chdir("/proc/self/fd") ? -1 : numbers(open(".", O_RDONLY | O_DIRECTORY));
  if (way == 4) listed = chdir("/proc/self/fd/") ? -1 : numbers(open2(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY));
  if (way == 5) listed = numbers(open("/dev/fd/", O_RDONLY | O_DIRECTORY));
  if (listed != own) printf("way %d lists %d of %d\n", way, listed, own);
  check(listed == own, "only own descriptors are listed");
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1) {
    descriptors(atoi(argv[1]));
  } else {
    dispatch();
    rings();
    user_faults();
  }
  if (!failures) printf("facilities: all good\n");
  return failures != 0;
}
