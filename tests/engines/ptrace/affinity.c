/* affinity: a program that is traced at every turn sees the CPUs that it may use, and the kernel's errors for rooms of
 * odd sizes. Prints "N wrong". Build: cc -static -O1 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int wrong;

static void look(const cpu_set_t *first) {
    cpu_set_t now;
    CPU_ZERO(&now);
    if (sched_getaffinity(0, sizeof now, &now) != 0 || memcmp(&now, first, sizeof now) != 0) wrong++;
    if (syscall(SYS_sched_getaffinity, 0, sizeof now - 4, &now) != -1 || errno != EINVAL) wrong++;
    if (syscall(SYS_sched_getaffinity, 0, 0, &now) != -1 || errno != EINVAL) wrong++;
    if (syscall(SYS_sched_getaffinity, 0, sizeof now, 8) != -1 || errno != EFAULT) wrong++;
}

int main(void) {
    cpu_set_t first;
    CPU_ZERO(&first);
    if (sched_getaffinity(0, sizeof first, &first) != 0) return 2;
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 500; k++) rmdir("/no/such/folder"), mkdir("/", 0700);
        look(&first);
    }
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
