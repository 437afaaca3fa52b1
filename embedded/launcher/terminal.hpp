// Pseudo terminals: the container's own, and copying it to the terminal of the caller.
#pragma once
#include "oci/runtime_spec.hpp"
#include "util/fd.hpp"

#include <string>
#include <termios.h>

namespace udocker::launcher {

// In the container: opens a terminal of its /dev/pts, makes it stdin, stdout, stderr and the controlling terminal,
// shows it as /dev/console, and returns the master side.
UniqueFd open_container_terminal(const oci::Process& process);

void copy_window_size(int from, int to);

// Copies between stdin, stdout and a master side; the caller's terminal is in raw mode for as long as this lives.
class TerminalCopy {
 public:
  explicit TerminalCopy(int master);
  ~TerminalCopy();
  TerminalCopy(const TerminalCopy&) = delete;
  TerminalCopy& operator=(const TerminalCopy&) = delete;
  // Copies what there is; true when `other` has nothing to read yet.
  bool wait(int other);
  // The last output of a program that has ended.
  void drain();

 private:
  bool copy_output();
  int master_;
  bool input_open_ = true, output_open_ = true, raw_ = false;
  std::string pending_;  // input the terminal does not take yet
  termios saved_{};
};

// Keeps the settings of the terminal that a program shares with us, and gives them back at the end, when it is still
// our turn on the terminal: a program that was killed in raw mode leaves a usable shell.
class TerminalSettings {
 public:
  TerminalSettings();
  ~TerminalSettings();
  TerminalSettings(const TerminalSettings&) = delete;
  TerminalSettings& operator=(const TerminalSettings&) = delete;

 private:
  int fd_ = -1;
  termios saved_{};
};

}  // namespace udocker::launcher
