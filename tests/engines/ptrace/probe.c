/* Calls every system call that takes a path, by raw number and in every form, and says which ones reached a file outside
 * the root ("escaped") or failed on one inside ("refused"). Run inside a root that has /probe/in/file and the link
 * /probe/out -> OUTSIDE, where OUTSIDE (first argument) is an existing absolute path of the host that the root lacks.
 * Exit status 0: neither. Build: cc -static -O1 probe.c */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __i386__  /* libc goes through socketcall here */
#define SYS_newfstatat SYS_fstatat64
#define BIND(s, a, n) syscall(361, s, a, n)
#define CONNECT(s, a, n) syscall(362, s, a, n)
#define SENDTO(s, b, m, f, a, n) syscall(369, s, b, m, f, a, n)
#define SENDMSG(s, m, f) syscall(370, s, m, f)
#else
#define BIND bind
#define CONNECT connect
#define SENDTO sendto
#define SENDMSG sendmsg
#endif

static char buffer[8192];
static int bad, done;

static long at2(int dir, const char *path) {
    struct { uint64_t flags, mode, resolve; } how = {O_PATH, 0, 0};
    long fd = syscall(437, dir, path, &how, sizeof how);
    if (fd >= 0) close((int)fd);
    return fd;
}
static long fd_result(long fd) {
    if (fd >= 0) close((int)fd);
    return fd;
}
static long run_it(int dir, const char *path, int at) {
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {(char *)"x", (char *)"exit", NULL};
        if (at) syscall(SYS_execveat, dir, path, argv, NULL, 0);
        else syscall(SYS_execve, path, argv, NULL);
        _exit(errno == EACCES || errno == ENOEXEC ? 98 : 99);
    }
    int status;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) { errno = ENOENT; return -1; }
    return 0;
}
static long socket_call(const char *path, int connecting) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) { errno = ENOENT; return -1; }
    strcpy(a.sun_path, path);
    int s = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct iovec io = {"x", 1};
    struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &io, .msg_iovlen = 1};
    long r;
    if (connecting == 0) r = BIND(s, (void *)&a, sizeof a);
    else if (connecting == 1) r = CONNECT(s, (void *)&a, sizeof a);
    else if (connecting == 2) r = SENDTO(s, "x", 1, 0, (void *)&a, sizeof a) < 0 ? -1 : 0;
    else if (connecting == 3) r = SENDMSG(s, &m, 0) < 0 ? -1 : 0;
    else if (connecting == 4) r = bind(s, (void *)&a, sizeof a);
    else if (connecting == 5) r = connect(s, (void *)&a, sizeof a);
    else if (connecting == 6) r = sendto(s, "x", 1, 0, (void *)&a, sizeof a) < 0 ? -1 : 0;
    else r = sendmsg(s, &m, 0) < 0 ? -1 : 0;
    int e = errno;
    close(s);
    /* A plain file answers ECONNREFUSED, an existing name EADDRINUSE: both were found. */
    errno = e;
    return r < 0 && (e == ECONNREFUSED || e == EADDRINUSE) ? 0 : r;
}

/* One call on one path; 0 or more: the file was found. */
static long call(const char *name, int dir, const char *p) {
    struct timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    int absolute = p[0] == '/', plain = absolute || dir == AT_FDCWD;
    (void)plain;
#define IS(text) (!strcmp(name, text))
#ifdef SYS_open
    if (IS("open") && plain) return fd_result(syscall(SYS_open, p, O_RDONLY));
    if (IS("creat") && plain) return fd_result(syscall(SYS_open, p, O_WRONLY));
    if (IS("stat") && plain) return syscall(SYS_stat, p, buffer);
    if (IS("lstat") && plain) return syscall(SYS_lstat, p, buffer);
    if (IS("access") && plain) return syscall(SYS_access, p, F_OK);
    if (IS("chmod") && plain) return syscall(SYS_chmod, p, 0644);
    if (IS("chown") && plain) return syscall(SYS_chown, p, -1, -1);
    if (IS("lchown") && plain) return syscall(SYS_lchown, p, -1, -1);
    if (IS("utime") && plain) return syscall(SYS_utime, p, NULL);
    if (IS("utimes") && plain) return syscall(SYS_utimes, p, NULL);
    if (IS("futimesat")) return syscall(SYS_futimesat, dir, p, NULL);
#endif
#ifdef __i386__
    if (IS("chown16") && plain) return syscall(182, p, -1, -1);
    if (IS("lchown16") && plain) return syscall(16, p, -1, -1);
    if (IS("oldstat") && plain) return syscall(18, p, buffer);
    if (IS("oldlstat") && plain) return syscall(84, p, buffer);
    if (IS("stat64") && plain) return syscall(195, p, buffer);
    if (IS("lstat64") && plain) return syscall(196, p, buffer);
    if (IS("truncate64") && absolute) return syscall(193, p, 1, 0);
    if (IS("statfs64") && absolute) return syscall(268, p, 84, buffer);
    if (IS("utimensat64")) return syscall(412, dir, p, NULL, 0);
    if (IS("bind old") && absolute) return socket_call(p, 4);
    if (IS("connect old") && absolute) return socket_call(p, 5);
    if (IS("sendto old") && absolute) return socket_call(p, 6);
    if (IS("sendmsg old") && absolute) return socket_call(p, 7);
#endif
    if (IS("openat")) return fd_result(syscall(SYS_openat, dir, p, O_RDONLY));
    if (IS("openat_path")) return fd_result(syscall(SYS_openat, dir, p, O_PATH));
    if (IS("openat2")) return at2(dir, p);
    if (IS("newfstatat")) return syscall(SYS_newfstatat, dir, p, buffer, 0);
    if (IS("statx")) return syscall(SYS_statx, dir, p, 0, 0x7ff, buffer);
    if (IS("faccessat")) return syscall(SYS_faccessat, dir, p, F_OK);
    if (IS("faccessat2")) return syscall(439, dir, p, F_OK, 0);
    if (IS("fchmodat")) return syscall(SYS_fchmodat, dir, p, 0644);
    if (IS("fchmodat2")) return syscall(452, dir, p, 0644, 0);
    if (IS("fchownat")) return syscall(SYS_fchownat, dir, p, -1, -1, 0);
    if (IS("utimensat")) return syscall(SYS_utimensat, dir, p, now, 0);
    if (IS("truncate") && absolute) return syscall(SYS_truncate, p, 1);
    if (IS("statfs") && absolute) return syscall(SYS_statfs, p, buffer);
    if (IS("getxattr") && absolute) return syscall(SYS_listxattr, p, buffer, 0);
    if (IS("lgetxattr") && absolute) return syscall(SYS_llistxattr, p, buffer, 0);
    if (IS("listxattrat")) return syscall(465, dir, p, 0, buffer, 0);
    if (IS("file_getattr")) return syscall(468, dir, p, buffer, 24, 0);
    if (IS("name_to_handle_at")) {
        struct { unsigned bytes; int type; char data[128]; } handle = {.bytes = 128};
        int id;
        return syscall(SYS_name_to_handle_at, dir, p, &handle, &id, AT_SYMLINK_FOLLOW);
    }
    if (IS("inotify_add_watch") && absolute) {
        int fd = inotify_init1(0);
        long r = syscall(SYS_inotify_add_watch, fd, p, IN_MODIFY);
        int e = errno;
        close(fd);
        errno = e;
        return r;
    }
    if (IS("linkat")) {
        long r = syscall(SYS_linkat, dir, p, AT_FDCWD, "/probe/newlink", AT_SYMLINK_FOLLOW);
        if (r == 0) unlink("/probe/newlink");
        return r;
    }
    if (IS("open_tree")) return fd_result(syscall(428, dir, p, 1));
    if (IS("fspick")) return fd_result(syscall(433, dir, p, 0));
    if (IS("execve") && absolute) return run_it(dir, p, 0);
    if (IS("execveat")) return run_it(dir, p, 1);
    if (IS("bind") && absolute) return socket_call(p, 0);
    if (IS("connect") && absolute) return socket_call(p, 1);
    if (IS("sendto") && absolute) return socket_call(p, 2);
    if (IS("sendmsg") && absolute) return socket_call(p, 3);
    errno = ENOSYS;
    return -2;
}

static const char *const names[] = {
    "open", "creat", "stat", "lstat", "access", "chmod", "chown", "lchown", "utime", "utimes", "futimesat", "openat",
    "openat_path", "openat2", "newfstatat", "statx", "faccessat", "faccessat2", "fchmodat", "fchmodat2", "fchownat",
    "utimensat", "truncate", "statfs", "getxattr", "lgetxattr", "listxattrat", "file_getattr", "name_to_handle_at",
    "inotify_add_watch", "linkat", "open_tree", "fspick", "execve", "execveat", "bind", "connect", "sendto", "sendmsg",
    "chown16", "lchown16", "oldstat", "oldlstat", "stat64", "lstat64", "truncate64", "statfs64", "utimensat64", "bind old",
    "connect old", "sendto old", "sendmsg old"};

static int allowed_failure(const char *name) {
    return errno == ENOSYS || errno == EPERM || errno == EOPNOTSUPP || errno == EXDEV || errno == ENOTTY || errno == EINVAL ||
           (errno == EADDRINUSE && !strncmp(name, "bind", 4));
}

static void inside(const char *form, int dir, const char *path) {
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        long r = call(names[i], dir, path);
        if (r == -2) continue;
        done++;
        if (r < 0 && !allowed_failure(names[i])) {
            printf("refused %s %s %s: %s\n", names[i], form, path, strerror(errno));
            bad++;
        }
    }
}

static void outside(const char *form, int dir, const char *path, int nofollow_is_fine) {
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        int on_link = !strcmp(names[i], "lstat") || !strcmp(names[i], "lchown") || !strcmp(names[i], "lgetxattr") || !strcmp(names[i], "lchown16") ||
                      !strcmp(names[i], "oldlstat") || !strcmp(names[i], "lstat64") || !strncmp(names[i], "bind", 4);
        if (on_link && nofollow_is_fine) continue;
        if (!strncmp(names[i], "bind", 4)) continue; /* may rightly make the name inside */
        long r = call(names[i], dir, path);
        if (r == -2) continue;
        done++;
        if (r >= 0) {
            printf("escaped %s %s %s\n", names[i], form, path);
            bad++;
        }
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "exit")) return 0;
    if (argc < 2) return 2;
    const char *out = argv[1];
    char path[4096], relative[4096];
    int dir = open("/probe/in", O_RDONLY | O_DIRECTORY), root = open("/", O_RDONLY | O_DIRECTORY);
    int file = open("/probe/in/file", O_RDONLY);
    if (dir < 0 || root < 0 || file < 0 || chdir("/probe/in")) { perror("probe"); return 2; }
    inside("absolute", AT_FDCWD, "/probe/in/file");
    inside("slashes", AT_FDCWD, "//probe///in/./file");
    inside("dots", AT_FDCWD, "/../probe/in/../in/file");
    inside("relative", AT_FDCWD, "file");
    inside("relative deep", AT_FDCWD, "../in/file");
    inside("descriptor", dir, "file");
    inside("descriptor deep", root, "probe/in/file");
    inside("descriptor up", dir, "../in/file");
    inside("absolute link", AT_FDCWD, "/probe/link");
    inside("relative link", AT_FDCWD, "link");
    inside("descriptor link", dir, "link");
    inside("directory link", AT_FDCWD, "/probe/dirlink/file");
    inside("proc cwd", AT_FDCWD, "/proc/self/cwd/file");
    inside("proc root", AT_FDCWD, "/proc/self/root/probe/in/file");
    snprintf(path, sizeof path, "/proc/self/fd/%d/file", dir);
    inside("proc fd", AT_FDCWD, path);
    outside("absolute", AT_FDCWD, out, 0);
    outside("link", AT_FDCWD, "/probe/out", 1);
    outside("relative link", AT_FDCWD, "../out", 1);
    outside("descriptor link", root, "probe/out", 1);
    snprintf(path, sizeof path, "/../../../../../../../../../../../..%s", out);
    outside("dots", AT_FDCWD, path, 0);
    snprintf(relative, sizeof relative, "../../../../../../../../../../../..%s", out);
    outside("relative dots", AT_FDCWD, relative, 0);
    outside("descriptor dots", root, relative, 0);
    snprintf(path, sizeof path, "/proc/self/root%s", out);
    outside("proc root", AT_FDCWD, path, 0);
    snprintf(path, sizeof path, "/proc/self/root/..%s", out);
    outside("proc root up", AT_FDCWD, path, 0);
    snprintf(path, sizeof path, "/proc/1/root%s", out);
    outside("proc 1 root", AT_FDCWD, path, 0);
    snprintf(path, sizeof path, "/proc/self/cwd/../../..%s", out);
    outside("proc cwd up", AT_FDCWD, path, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d/../../..%s", dir, out);
    outside("proc fd up", AT_FDCWD, path, 0);
    snprintf(path, sizeof path, "/probe/dirlink/../../..%s", out);
    outside("directory link up", AT_FDCWD, path, 0);
    for (long nr = 425; nr <= 427; nr++)
        if (syscall(nr, 1, buffer, 0, 0, 0, 0) != -1 || errno != ENOSYS) { printf("io_uring %ld is not refused\n", nr); bad++; }
    for (long nr = 470; nr < 600; nr += 13)
        if (syscall(nr, "/", "/", 0, 0, 0, 0) != -1 || errno != ENOSYS) { printf("unknown %ld is not refused\n", nr); bad++; }
    printf("%d calls, %d bad\n", done, bad);
    return bad != 0;
}
