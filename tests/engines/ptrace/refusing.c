// refusing NUMBER[:ARGUMENT] command...: with that system call refused (EPERM), or only when its first argument is this one,
// as a kernel does that does not know it (EIO).
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count < 3) return 99;
    const char *colon = strchr(words[1], ':');
    struct sock_filter only_argument = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, colon ? (unsigned)strtoul(colon + 1, NULL, 0) : 0, 0, 1);
    struct sock_filter any = BPF_STMT(BPF_JMP | BPF_JA, 0);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(words[1]), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
        colon ? only_argument : any,
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (colon ? EIO : EPERM)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 99;
    execvp(words[2], words + 2);
    return 98;
}
