/* Every system call number, called raw, each in a process of its own.
 *   numbers refused              prints "number ENOSYS" or "number EPERM" for those answered so whatever their arguments
 *   numbers escape PATH NOWHERE  calls each with PATH (which only the host has) in the places where paths stand, and again
 *                                with NOWHERE (which nobody has, of the same length): the answers must be the same.
 * Exit status 0: no difference. Build: cc -static -O1 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kNumbers = 512 };

/* Calls that end, block or split the caller, or that would disturb others: they take no path. */
static int skipped(long number) {
    switch (number) {
    case SYS_exit: case SYS_exit_group: case SYS_rt_sigreturn: case SYS_sync: case SYS_clone: case SYS_clone3: case SYS_kill:
    case SYS_tkill: case SYS_tgkill: case SYS_setsid: case SYS_rt_sigsuspend: case SYS_rt_sigtimedwait: case SYS_ppoll:
    case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_pselect6:
#ifdef SYS_select
    case SYS_select:
#endif
#ifdef SYS_ppoll_time64
    case SYS__newselect: case SYS_ppoll_time64: case SYS_pselect6_time64: case SYS_clock_nanosleep_time64: case SYS_rt_sigtimedwait_time64:
#endif
#ifdef SYS_sigsuspend
    case SYS_sigsuspend: case SYS_stime: /* the first may never return; the second sets the clock where that is allowed */
#endif
#ifdef SYS_fork
    case SYS_fork: case SYS_vfork: case SYS_pause: case SYS_poll:
#endif
        return 1;
    default:
        return 0;
    }
}

/* Result of one call in a child: the errno, 0 for success, 1000 + n when signal n ended it. */
static int answer(long number, const long *a) {
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        alarm(1);
        long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        _exit(result >= 0 ? 0 : errno > 250 ? 250 : errno);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The text in memory that cannot be written, where a call that expects a buffer fails; always at the same address. */
static long fixed(const char *text) {
    static char *page;
    if (!page) page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 8192, PROT_READ | PROT_WRITE);
    strcpy(page, text);
    mprotect(page, 8192, PROT_READ);
    return (long)page;
}

int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "refused")) {
        static const long sets[3][6] = {{-1, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}, {-1, -1, -1, -1, -1, -1}};
        for (long number = 0; number < kNumbers; number++) {
            if (skipped(number)) continue;
            int first = answer(number, sets[0]);
            if ((first == ENOSYS || first == EPERM) && answer(number, sets[1]) == first && answer(number, sets[2]) == first)
                printf("%ld %s\n", number, first == ENOSYS ? "ENOSYS" : "EPERM");
        }
        return 0;
    }
    if (count < 4) return 2;
    int bad = 0, calls = 0;
    for (long number = 0; number < kNumbers; number++) {
        if (skipped(number)) continue;
        for (int form = 0; form < 6; form++) {
            int got[2];
            for (int which = 0; which < 2; which++) {
                long p = fixed(words[2 + which]);
                const long forms[6][6] = {{p, 0, 0, 0, 0, 0},        {AT_FDCWD, p, 0, 0, 0, 0}, {p, p, p, p, p, p},
                                          {AT_FDCWD, p, AT_FDCWD, p, 0, 0}, {0, AT_FDCWD, p, 0, 0, 0}, {AT_FDCWD, p, 0, 0x100, 0xfff, p}};
                got[which] = answer(number, forms[form]);
                calls++;
            }
            if (got[0] == got[1]) continue;
            bad++;
            printf("call %ld form %d: %d for the host's file, %d for none\n", number, form, got[0], got[1]);
        }
    }
    printf("%d calls, %d bad\n", calls, bad);
    return bad != 0;
}
