/* What a program is told of itself, and threads on small stacks that use paths.
 * names WORD                  prints argv[0], the thread's name, /proc/self/exe, AT_EXECFN and WORD
 * names run FILE FIRST WORD   executes FILE with argv[0] FIRST and WORD
 * names threads               exit status 0: every call saw the right file */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *memory[4];
enum { kStack = 24576, kBelow = 8192 };

/* Uses paths with hardly any stack left: nobody may write below a thread's stack. */
static void *use_paths(void *lower_end) {
    static const char *const paths[] = {"/probe/in/../in/file", "/probe/in/link"};
    char buffer[8];
    size_t left = (size_t)(buffer - (char *)lower_end);
    volatile char *used = __builtin_alloca(left - 256);
    used[0] = 1;
    for (int i = 0; i < 300; i++) {
        int fd;
        __asm__ volatile("int $0x80" : "=a"(fd) : "0"(5), "b"(paths[i % 2]), "c"(0), "d"(0) : "memory");
        if (fd < 0) return "bad";
        __asm__ volatile("int $0x80" : "=a"(fd) : "0"(6), "b"(fd) : "memory");
    }
    return NULL;
}

static int threads(void) {
    enum { kThreads = 4 };
    pthread_t id[kThreads];
    int bad = 0;
    for (int i = 0; i < kThreads; i++) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        if (posix_memalign((void **)&memory[i], 4096, kBelow + kStack)) return 2;
        memset(memory[i], 0x5a, kBelow);
        pthread_attr_setstack(&attributes, memory[i] + kBelow, kStack);
        if (pthread_create(&id[i], &attributes, use_paths, memory[i] + kBelow)) return 2;
    }
    for (int i = 0; i < kThreads; i++) {
        void *result;
        pthread_join(id[i], &result);
        bad |= result != NULL;
        for (int at = 0; at < kBelow; at++) bad |= memory[i][at] != 0x5a;
    }
    return bad;
}

int main(int count, char **words) {
    char name[17] = "", exe[4096] = "";
    if (count == 2 && !strcmp(words[1], "threads")) return threads();
    if (count == 5) {
        execl(words[2], words[3], words[4], (char *)0);
        return 3;
    }
    prctl(PR_GET_NAME, name);
    if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) return 2;
    printf("%s %s %s %s %s\n", words[0], name, exe, (char *)getauxval(AT_EXECFN), count > 1 ? words[1] : "");
    return 0;
}
