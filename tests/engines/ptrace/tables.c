/* 64-bit code that calls the kernel by its other tables: int 0x80 from low and from high addresses, and x32 numbers.
 * tables INSIDE OUTSIDE: opens both; prints what it gets: "open", or the errno's name. Build: cc -O1 (x86_64 only) */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *answer(long result) {
    if (result >= 0) return close((int)result), "open";
    return result == -ENOENT ? "ENOENT" : result == -ENOSYS ? "ENOSYS" : result == -EFAULT ? "EFAULT" : strerror((int)-result);
}

static long call(const void *code, long number, const void *path) {
    long result;
    __asm__ volatile("call *%1" : "=a"(result) : "r"(code), "0"(number), "b"(path), "c"(0L), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}

int main(int count, char **words) {
    if (count < 3) return 2;
    static const unsigned char code[] = {0xcd, 0x80, 0xc3};  /* int $0x80; ret */
    char *low = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    char *high = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(low, code, sizeof code);
    memcpy(high, code, sizeof code);
    for (int i = 1; i < 3; i++) {
        strcpy(low + 64, words[i]);
        long x32 = syscall(0x40000000 | 2, words[i], 0, 0);
        printf("%s %s %s\n", answer(call(low, 5, low + 64)), answer(call(high, 5, low + 64)), answer(x32 < 0 ? -errno : x32));
    }
    return 0;
}
