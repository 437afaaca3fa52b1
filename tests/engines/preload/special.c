// Programs that are hard to load an object into: own malloc, libraries with constructors, plug-ins bound to the libc
// directly, a second namespace, spawned children with file actions. One line per fact; run by probe.sh.
// Built three times: the program, and with -DLIBRARY and -DPLUGIN two shared objects.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(LIBRARY)
int library_saw;
__attribute__((constructor)) static void begin(void) {
  struct stat s;
  FILE *f = fopen("/etc/probe", "r");
  library_saw = f != NULL && stat("/etc/probe", &s) == 0 && access("/etc/only-here", F_OK) == 0;
  if (f) fclose(f);
}
#elif defined(PLUGIN)
int plugin_sees(const char *path) {
  struct stat s;
  FILE *f = fopen(path, "r");
  int fd = open(path, O_RDONLY), sees = (f != NULL) + 2 * (fd >= 0) + 4 * (stat(path, &s) == 0) + 8 * (access(path, F_OK) == 0);
  if (f) fclose(f);
  if (fd >= 0) close(fd);
  return sees;
}
#else
extern int library_saw;
extern char **environ;

// A malloc of our own, from a fixed block, as large programs bring along.
static char block[1 << 24];
static size_t used;
void *malloc(size_t size) {
  size = (size + 31) / 16 * 16;
  size_t at = __atomic_fetch_add(&used, size, __ATOMIC_RELAXED);
  if (at + size > sizeof block) return 0;
  *(size_t *)(block + at) = size - 16;
  return block + at + 16;
}
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t s) { return malloc(n * s); }
void *realloc(void *p, size_t size) {
  void *fresh = malloc(size);
  if (p && fresh) memcpy(fresh, p, ((size_t *)p)[-2] < size ? ((size_t *)p)[-2] : size);
  return fresh;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  if (info->dlpi_name && strstr(info->dlpi_name, "/ROOT/")) ++*(int *)data;
  return 0;
}

static volatile int stop;
static void *changes_directory(void *unused) {
  while (!stop) chdir("/etc"), chdir("/tmp");
  return unused;
}

// A thread cancelled where it waits inside a function of ours is unwound: the attribute's function runs.
static int cleaned;
static void note(int *unused) { (void)unused; cleaned++; }
static void *waits(void *in) {
  int mark __attribute__((cleanup(note))) = 0;
  if (in) fopen("/tmp/fifo", "r");
  else open("/tmp/fifo", O_RDONLY);
  return &cleaned + mark;
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "child")) {
    char here[4096];
    printf("child %s %s\n", getcwd(here, sizeof here) ? here : "-", access("/etc/probe", F_OK) ? "lost" : "inside");
    return 5;
  }
  setvbuf(stdout, 0, _IONBF, 0);
  printf("own malloc %d\n", used > 0);
  printf("constructor of a library %d\n", library_saw);
  int (*sees)(const char *);
  const int flags[] = {RTLD_NOW, RTLD_LAZY, RTLD_NOW | RTLD_DEEPBIND};
  for (int i = 0; i < 3; i++) {
    void *plugin = dlopen("/tmp/plugin.so", flags[i]);
    sees = plugin ? dlsym(plugin, "plugin_sees") : 0;
    printf("plug-in %d: %d %d\n", i, sees ? sees("/etc/only-here") : -1, sees ? sees(argc > 1 ? argv[1] : "/nowhere") : -1);
    if (plugin) dlclose(plugin);
  }
  void *other = dlmopen(LM_ID_NEWLM, "/tmp/plugin.so", RTLD_NOW);
  sees = other ? dlsym(other, "plugin_sees") : 0;
  printf("other namespace: %d\n", sees ? sees("/etc/only-here") : -1);
  int host_names = 0;
  dl_iterate_phdr(visit, &host_names);
  printf("host names of objects %d\n", host_names);
  Dl_info info;
  printf("plug-in's name %s\n", dladdr(dlsym(dlopen("/tmp/plugin.so", RTLD_NOW), "plugin_sees"), &info) ? info.dli_fname : "-");
  printf("auxiliary vector %s\n", (char *)getauxval(AT_EXECFN));

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/tmp/spawn.out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
#if __GLIBC_PREREQ(2, 29)
  posix_spawn_file_actions_addchdir_np(&actions, "/etc");
#endif
  pid_t pid;
  int status = -1;
  char *child[] = {"a name", "child", 0};
  int error = posix_spawnp(&pid, "special", &actions, 0, child, environ);
  if (!error) waitpid(pid, &status, 0);
  char line[200] = "-\n";
  FILE *f = fopen("/tmp/spawn.out", "r");
  if (f) fgets(line, sizeof line, f);
  printf("spawn %d %d %s", error, WEXITSTATUS(status), line);

  pid = vfork();
  if (!pid) {
    chdir("/etc/deep");
    execl("/proc/self/exe", "x", "child", (char *)0);
    _exit(1);
  }
  waitpid(pid, &status, 0);
  printf("vfork %d\n", WEXITSTATUS(status));
  char here[4096];
  chdir("/tmp");
  pid = vfork();
  if (!pid) chdir("/etc"), _exit(0);
  waitpid(pid, &status, 0);
  printf("here after a child went elsewhere %s %d\n", getcwd(here, sizeof here), access("../etc/only-here", F_OK));

  pthread_t thread;
  pthread_create(&thread, 0, changes_directory, 0);
  int bad = 0;
  for (int i = 0; i < 20000; i++)
    if (access("../etc/only-here", F_OK)) bad++;
  stop = 1;
  pthread_join(thread, 0);
  printf("names below a moving directory %d\n", bad);

  mkfifo("/tmp/fifo", 0600);
  for (int i = 0; i < 2; i++) {
    pthread_create(&thread, 0, waits, i ? here : 0);
    usleep(50000);
    while (pthread_cancel(thread) == EAGAIN) usleep(1000);  // refused while too many signals are queued for the user
    pthread_join(thread, 0);
  }
  printf("cancelled threads unwound %d\n", cleaned);

  // AF_UNIX names that only fit as the guest writes them.
  struct sockaddr_un u = {AF_UNIX, ""};
  memset(u.sun_path, 'n', 107);
  memcpy(u.sun_path, "/tmp/", 5);
  u.sun_path[90] = 0;
  mkdir(u.sun_path, 0700);
  u.sun_path[90] = '/';
  int one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);
  unlink(u.sun_path);
  printf("long socket %d", bind(one, (void *)&u, sizeof u));
  listen(one, 1);
  printf(" %d\n", connect(two, (void *)&u, sizeof u));
  unlink(u.sun_path);
  memset(u.sun_path + 5, 'm', 102);
  one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);
  unlink(u.sun_path);
  struct sockaddr_un named = {0, ""};
  socklen_t name_size = sizeof named;
  printf("long name of a socket %d", bind(one, (void *)&u, sizeof u));
  printf(" %d", bind(two, (void *)&u, sizeof u) < 0 && errno == EADDRINUSE);
  listen(one, 1);
  printf(" %d", connect(two, (void *)&u, sizeof u));
  printf(" %d\n", getsockname(one, (void *)&named, &name_size) == 0 && !strncmp(named.sun_path, u.sun_path, 107));
  unlink(u.sun_path);
  int fd = (int)syscall(437 /* openat2 */, AT_FDCWD, "/etc/only-here", &(uint64_t[3]){O_RDONLY, 0, 0}, sizeof(uint64_t[3]));
  printf("openat2 %d\n", fd >= 0 || errno == ENOSYS);
  // Descriptors that are not the program's must bear its closing all, and its taking any number.
  int sees_still = 0;
  for (int i = 3; i < 1024; i++) close(i);
  sees_still += !access("/etc/only-here", F_OK);
  for (int i = 190; i < 220; i++) dup2(1, i);
  sees_still += !access("/etc/only-here", F_OK);
  syscall(436 /* close_range */, 3, ~0u, 0);
  sees_still += !access("/etc/only-here", F_OK) && open("/etc/only-here", O_RDONLY) >= 0;
  pid = vfork();
  if (!pid) {
    for (int i = 190; i < 300; i++) dup2(1, i);
    execl("/proc/self/exe", "x", "child", (char *)0);
    _exit(1);
  }
  waitpid(pid, &status, 0);
  sees_still += !access("/etc/only-here", F_OK) && WEXITSTATUS(status) == 5;
  printf("after closing all %d\n", sees_still);
  printf("directory behind a link %d\n", open("/etc/dir-link", O_RDONLY | O_DIRECTORY) >= 0);
  return 0;
}
#endif
