// What a program sees under the view, one line per fact; run by probe.sh in guests of several libcs.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

extern char **environ;
static char early[PATH_MAX];
static int found, bad_type;

__attribute__((constructor)) static void before_main(void) {
  FILE *f = fopen("/etc/probe", "r");
  if (f && fgets(early, sizeof early, f)) early[strcspn(early, "\n")] = 0;
  if (f) fclose(f);
}

static int visit(const char *path, const struct stat *s, int type, struct FTW *at) {
  (void)s;
  if (!strcmp(path + at->base, "probe")) found++;
  if (!strcmp(path, "/etc/probe") && type != FTW_F) bad_type++;
  return 0;
}

static void *in_thread(void *unused) {
  struct stat s;
  long good = 0;
  for (int i = 0; i < 3000; i++) {
    if (!stat("/etc/probe", &s)) good++;
    int fd = open(i % 2 ? "/etc/link" : "/etc/probe", O_RDONLY);
    if (fd >= 0) good++, close(fd);
    if (access("/etc/absent", F_OK) && errno == ENOENT) good++;
  }
  (void)unused;
  return (void *)good;
}

static const char *link_of(const char *path) {
  static char text[PATH_MAX];
  ssize_t n = readlink(path, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = 0;
  return text;
}

int main(int argc, char **argv) {
  char b[PATH_MAX];
  struct stat s;
  int status, fd;
  pid_t pid;
  if (argc > 1 && !strcmp(argv[1], "child")) {
    printf("child %s\n", argv[0]);
    return 7;
  }
  setvbuf(stdout, 0, _IONBF, 0);
  printf("argv0 %s\n", argv[0]);
  printf("environment %s%s%s\n", getenv("LD_PRELOAD") ? "LD_PRELOAD " : "", getenv("LD_LIBRARY_PATH") ? "LD_LIBRARY_PATH " : "", getenv("UDOCKER_PL_CONFIG") ? "config" : "");
  printf("constructor %s\n", early);
  printf("exe %s\n", link_of("/proc/self/exe"));
  printf("realpath %s\n", realpath("/etc/link", b) ? b : "-");
  char *own = realpath("/etc/../etc/link", 0);
  printf("realpath own memory %s\n", own ? own : "-");
  free(own);
  printf("link %s\n", link_of("/etc/link"));
  printf("link size %ld\n", lstat("/etc/link", &s) ? -1L : (long)s.st_size);
  printf("link kind %d\n", S_ISLNK(s.st_mode));
  int kept = setxattr("/etc/link", "user.probe", "kept", 4, 0) == 0;
  printf("attribute %d\n", kept ? getxattr("/etc/link", "user.probe", b, sizeof b) == 4 && !memcmp(b, "kept", 4) && lgetxattr("/etc/link", "user.probe", b, sizeof b) < 0
                                    && getxattr("/etc/link", "user.probe", 0, 0) == 4 && getxattr("/etc/link", "user.probe", b, 2) < 0 && errno == ERANGE
                                  : errno == ENOTSUP);
  printf("stat %ld\n", stat("/etc/link", &s) ? -1L : (long)s.st_size);
  glob_t g;
  printf("glob %s\n", glob("/etc/pr[o]be*", 0, 0, &g) ? "-" : g.gl_pathv[0]);
  globfree(&g);
  nftw("/etc", visit, 10, FTW_PHYS);
  printf("nftw %d %d\n", found, bad_type);
  struct passwd *p = getpwnam("probe");
  printf("passwd %d %s %s\n", p ? (int)p->pw_uid : -1, p ? p->pw_dir : "-", p ? p->pw_shell : "-");
  struct group *gr = getgrgid(4321);
  printf("group %s %s\n", gr ? gr->gr_name : "-", gr ? gr->gr_mem[1] : "-");
  gid_t groups[8];
  int count = 8;
  printf("grouplist %d", getgrouplist("probe", 1234, groups, &count));
  printf(" %d\n", count);
  printf("chdir %d\n", chdir("/etc"));
  printf("cwd %s\n", getcwd(b, sizeof b));
  printf("relative %d %d %d\n", access("probe", R_OK), access("../etc/probe", R_OK), access("./deep/../probe", R_OK));
  DIR *d = opendir(".");
  printf("openat %d\n", openat(dirfd(d), "deep/file", O_RDONLY) >= 0);
  closedir(d);
  chdir("/");
  strcpy(b, "/tmp/abXXXXXX");
  fd = mkstemp(b);
  printf("mkstemp %d %.7s %d\n", fd >= 0, b, access(b, F_OK));
  unlink(b);
  printf("tmpfile %d\n", !!tmpfile());
  char *named[] = {"my name", "child", 0};
  int error = posix_spawn(&pid, "/tmp/probe", 0, 0, named, environ);
  waitpid(pid, &status, 0);
  printf("spawn %d status %d\n", error, WEXITSTATUS(status));
  pid = vfork();
  if (!pid) {
    execv("/tmp/probe", named);
    _exit(1);
  }
  waitpid(pid, &status, 0);
  printf("vfork status %d\n", WEXITSTATUS(status));
  if (access("/bin/sh", X_OK) == 0) {
    printf("system %d\n", WEXITSTATUS(system("exit 3")));
    FILE *f = popen("echo from popen", "r");
    printf("popen %s", f && fgets(b, sizeof b, f) ? b : "-\n");
    printf("pclose %d\n", f ? pclose(f) : -1);
  } else {
    printf("system 3\npopen from popen\npclose 0\n");
  }
  struct sockaddr_un u = {AF_UNIX, "/tmp/socket"};
  socklen_t size = sizeof u;
  unlink(u.sun_path);
  int one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);
  printf("bind %d\n", bind(one, (void *)&u, sizeof u));
  listen(one, 1);
  printf("connect %d\n", connect(two, (void *)&u, sizeof u));
  memset(&u, 0, sizeof u);
  getsockname(one, (void *)&u, &size);
  printf("name %s\n", u.sun_path);
  unlink("/tmp/socket");
  printf("symlink %d\n", symlink("/etc/probe", "/tmp/new"));
  printf("new link %s %d\n", link_of("/tmp/new"), open("/tmp/new", O_RDONLY) >= 0);
  printf("rename %d\n", rename("/tmp/new", "/tmp/newer"));
  printf("unlink %d\n", unlink("/tmp/newer"));
  printf("climb %d\n", access("/../../../../etc/probe", F_OK));
  printf("outside %d\n", access(argc > 1 ? argv[1] : "/nowhere", F_OK));
  printf("raw call %d\n", (int)syscall(SYS_faccessat, AT_FDCWD, "/etc/probe", F_OK));
  pthread_t thread[4];
  long total = 0;
  for (int i = 0; i < 4; i++) pthread_create(&thread[i], 0, in_thread, 0);
  for (int i = 0; i < 4; i++) {
    void *good;
    pthread_join(thread[i], &good);
    total += (long)good;
  }
  printf("threads %ld\n", total);
  Dl_info info;
  printf("dladdr %d\n", dladdr((void *)main, &info) && info.dli_fname && !strstr(info.dli_fname, "ROOT"));
  printf("dlopen %d\n", dlopen("/etc/probe", RTLD_NOW) == 0);
  char *cmd = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fd = open("/proc/self/cmdline", O_RDONLY);
  read(fd, cmd, 4095);
  printf("cmdline %s\n", cmd);
  fd = open("/proc/self/comm", O_RDONLY);
  memset(b, 0, 32);
  read(fd, b, 31);
  printf("comm %s", b);
  execlp("probe", "last name", "child", (char *)0);
  return 1;
}
