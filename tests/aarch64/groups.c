/* Waits for children in process groups 512 to 516 of their own; their negated numbers look like the kernel's restart codes. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  int bad = 0;
  for (pid_t child = 0; child < 516;) {
    child = fork();
    if (child < 0) return 2;
    if (child == 0) { setpgid(0, 0); _exit(9); }
    setpgid(child, child);
    int status = 0;
    if (waitpid(-child, &status, 0) != child || WEXITSTATUS(status) != 9) {
      printf("group %d\n", (int)child);
      bad++;
    }
  }
  printf("%d bad\n", bad);
  return bad != 0;
}
