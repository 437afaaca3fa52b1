// Waiting for a child while passing signals on and, when asked, copying its terminal.
#pragma once
#include <csignal>

#include <sys/types.h>

namespace udocker::launcher {

// Blocks what supervise() wants to hear; returns the mask from before. Call before the child is made.
sigset_t block_signals(bool keep_job_control);

struct Supervision {
  pid_t child = 0;
  bool forward_terminal_signals = true;  // false: the terminal sends them to the child by itself
  bool reap_all = false;                 // as process 1: collect every child
  int terminal = -1;                     // master side of the child's terminal, copied to and from stdin and stdout
};

// Returns the child's exit status as a shell shows it.
int supervise(const Supervision& supervision);

// Gives back the pages of the program's own file: they come again when touched.
void release_memory();

}  // namespace udocker::launcher
