/* For gdb: a function called by two threads. Build with -g -O0 -pthread. */
#include <pthread.h>
#include <stdio.h>
static int square(int n) { return n * n; }
static void *work(void *number) { printf("thread %d\n", square(*(int *)number)); return 0; }
int main(int count, char **words) {
    (void)words;
    int n = count + 4;
    pthread_t thread;
    printf("main %d\n", square(n));
    pthread_create(&thread, 0, work, &n);
    pthread_join(thread, 0);
    return 3;
}
