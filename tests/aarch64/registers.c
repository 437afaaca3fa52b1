/* A system call keeps every register but x0: fills them, makes a call that stops, compares. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* fstatat(path, st) with vector registers from `in`, which come back in `out`. -999: a general register or flag was lost. */
long keeps(const void* in, void* out, const char* path, void* st);
__asm__(".text\n"
    ".global keeps\n"
    "keeps: stp x29,x30,[sp,#-112]!\n"
    "stp x19,x20,[sp,#16]; stp x21,x22,[sp,#32]; stp x23,x24,[sp,#48]; stp x25,x26,[sp,#64]; stp x27,x28,[sp,#80]\n"
    "str x1,[sp,#96]\n"
    "mov x30,x0\n"
    ".irp n,0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30\n"
    "ldr q\\n,[x30],#16\n"
    ".endr\n"
    "mov x10,x0\n"
    "mov x1,x2 ; mov x2,x3 ; mov x3,#0 ; mov x0,#-100 ; mov x8,#79\n"
    "mov x4,#4 ; mov x5,#5; mov x6,#6; mov x7,#7; mov x9,#9; mov x11,#11; mov x12,#12; mov x13,#13; mov x14,#14; mov x15,#15; mov x16,#16; mov x17,#17; mov x18,#18\n"
    "mov x19,#19; mov x20,#20; mov x21,#21; mov x22,#22; mov x23,#23; mov x24,#24; mov x25,#25; mov x26,#26; mov x27,#27; mov x28,#28\n"
    "cmp x4,#4\n"
    "svc #0\n"
    "cset x1, eq\n"
    "cmp x8,#79 ; b.ne 9f\n"
    ".irp n,4,5,6,7,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28\n"
    "cmp x\\n,#\\n ; b.ne 9f\n"
    ".endr\n"
    "cbz x1,9f\n"
    "ldr x30,[sp,#96]\n"
    ".irp n,0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30\n"
    "str q\\n,[x30],#16\n"
    ".endr\n"
    "b 8f\n"
    "9: mov x0,#-999\n"
    "8: ldp x19,x20,[sp,#16]; ldp x21,x22,[sp,#32]; ldp x23,x24,[sp,#48]; ldp x25,x26,[sp,#64]; ldp x27,x28,[sp,#80]\n"
    "ldp x29,x30,[sp],#112\n"
    "ret\n");

int main(void) {
  static char in[256] __attribute__((aligned(16))), out[256] __attribute__((aligned(16)));
  struct stat st;
  for (int i = 0; i < 256; i++) in[i] = (char)(i * 7 + 1);
  long found = keeps(in, out, "/", &st), bad = keeps(in, out, (char*)8, &st);
  printf("%ld %ld %s\n", found, bad, memcmp(in, out, sizeof in) ? "lost" : "kept");
  return 0;
}
