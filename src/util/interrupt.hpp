// A person's Ctrl-C, and SIGTERM or SIGHUP, while a command works: the work unwinds and takes back what is half made.
#pragma once
#include "util/error.hpp"

namespace udocker {

class Interrupted : public Error {
 public:
  Interrupted();
};

// From here on the first such signal only sets a mark; a second one has its usual effect. Signals that the caller
// ignores stay ignored. An exec gives every signal its usual effect again.
void watch_interrupts();
// Takes the watch back: the signals have their usual effect, as for a program that takes over this process.
void forget_interrupts();
// The signal that has come; 0 when none has.
int pending_interrupt();
// Throws Interrupted when one has come. Called wherever long work moves on; any thread may.
void check_interrupt();
// Ends the process by the signal that has come, as if nobody had watched.
[[noreturn]] void die_of_interrupt();

}  // namespace udocker
