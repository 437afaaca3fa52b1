// restart DIR: opens in threads that get many signals with a handler; each must be of the file it names, in its own way.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void handler(int signal) { (void)signal; }

static char path_a[4096], path_b[4096];
static struct stat a, b;
static int wrong;
static pid_t *tids;

static void *work(void *unused) {
    struct stat got;
    *(pid_t *)unused = (pid_t)syscall(SYS_gettid);
    for (int i = 0; i < 4000; ++i) {
        int out = open(path_a, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), in = open(path_b, O_RDONLY | O_CLOEXEC);
        if (out < 0 || fstat(out, &got) || got.st_ino != a.st_ino || (fcntl(out, F_GETFL) & O_ACCMODE) != O_WRONLY) __sync_fetch_and_add(&wrong, 1);
        if (in < 0 || fstat(in, &got) || got.st_ino != b.st_ino || (fcntl(in, F_GETFL) & O_ACCMODE) != O_RDONLY) __sync_fetch_and_add(&wrong, 1);
        close(out);
        close(in);
    }
    return NULL;
}

int main(int count, char **words) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    pthread_t threads[4];
    tids = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (count < 2) return 9;
    snprintf(path_a, sizeof path_a, "%s/written", words[1]);
    snprintf(path_b, sizeof path_b, "%s/read", words[1]);
    close(open(path_a, O_CREAT | O_WRONLY, 0600));
    close(open(path_b, O_CREAT | O_WRONLY, 0600));
    if (stat(path_a, &a) || stat(path_b, &b)) return 8;
    sigaction(SIGUSR1, &action, NULL);
    pid_t parent = getpid(), rain = fork();
    if (rain == 0)
        for (int i = 0; getppid() == parent; i = (i + 1) % 4, usleep(30))
            if (tids[i]) syscall(SYS_tgkill, parent, tids[i], SIGUSR1);
    if (rain == 0) _exit(0);
    for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, work, &tids[i]);
    for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
    kill(rain, SIGKILL);
    waitpid(rain, NULL, 0);
    unlink(path_a);
    unlink(path_b);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
