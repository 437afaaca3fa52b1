// fifo NAME: what ends the wait in an open of a FIFO, one line per case. The output is compared with that outside.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name;
static int report;

static void handler(int signal) {
    (void)signal;
    if (write(report, "h", 1) != 1) _exit(9);
}

static void open_and_tell(int flags) {
    int fd = open(name, flags);
    char result = fd >= 0 ? 'o' : errno == EINTR ? 'i' : '?';
    struct stat stat;
    if (fd >= 0 && (fstat(fd, &stat) || !S_ISFIFO(stat.st_mode))) result = 'x';
    if (write(report, &result, 1) != 1) _exit(9);
    close(fd);
}

static void *in_thread(void *flags) {
    open_and_tell(*(int *)flags);
    return NULL;
}

// A child that opens the FIFO; its reports come through *from.
static pid_t start(int flags, int restart, int threads, int *from) {
    int pipes[2];
    if (pipe(pipes)) exit(9);
    pid_t pid = fork();
    if (pid == 0) {
        struct sigaction action = {0};
        report = pipes[1];
        action.sa_handler = handler;
        action.sa_flags = restart ? SA_RESTART : 0;
        sigaction(SIGUSR1, &action, NULL);
        if (write(report, "r", 1) != 1) _exit(9);
        if (threads) {
            pthread_t thread;
            pthread_create(&thread, NULL, in_thread, &flags);
            pthread_join(thread, NULL);
        } else {
            open_and_tell(flags);
        }
        _exit(0);
    }
    close(pipes[1]);
    *from = pipes[0];
    char ready;
    if (read(*from, &ready, 1) != 1) exit(9);
    return pid;
}

static char next(int from) {
    char got = '-';
    return read(from, &got, 1) == 1 ? got : '-';
}

// Signals until a handler has run `times` times, or the open has ended.
static char pester(pid_t pid, int from, int times) {
    char got = '-';
    fcntl(from, F_SETFL, O_NONBLOCK);
    while (times > 0) {
        usleep(5000);
        kill(pid, SIGUSR1);
        while (times > 0 && read(from, &got, 1) == 1)
            if (got == 'h') --times;
            else times = 0;
    }
    fcntl(from, F_SETFL, 0);
    return got;
}

static void finish(const char *what, int flags, pid_t pid, int from, char got) {
    int status, other = got == 'h' || got == '-' ? open(name, flags == O_RDONLY ? O_WRONLY : O_RDONLY) : -1;
    while (got == 'h' || got == '-') {
        got = next(from);
        if (got == '-') break;
    }
    close(other);
    close(from);
    waitpid(pid, &status, 0);
    printf("%s %c %x\n", what, got, status);
}

int main(int count, char **words) {
    int from, status;
    if (count < 2) return 9;
    name = words[1];
    unlink(name);
    if (mkfifo(name, 0600)) return 9;
    setbuf(stdout, NULL);
    for (int writer = 0; writer < 2; ++writer) {
        int flags = writer ? O_WRONLY : O_RDONLY;
        pid_t pid = start(flags, 0, 0, &from);
        finish("the other end", flags, pid, from, '-');
        pid = start(flags, 0, 0, &from);
        finish("a handler", flags, pid, from, pester(pid, from, 1 << 30));
        pid = start(flags, 1, 0, &from);
        finish("a handler that restarts", flags, pid, from, pester(pid, from, 5));
        pid = start(flags, 1, 1, &from);
        finish("a thread", flags, pid, from, '-');
        pid = start(flags, 0, 0, &from);
        usleep(20000);
        kill(pid, SIGSTOP);
        waitpid(pid, &status, WUNTRACED);
        printf("stopped %d\n", WIFSTOPPED(status));
        kill(pid, SIGCONT);
        finish("and continued", flags, pid, from, '-');
        pid = start(flags, 0, 0, &from);
        kill(pid, SIGTERM);
        waitpid(pid, &status, 0);
        printf("killed %x\n", status);
        close(from);
    }
    unlink(name);
    return 0;
}
