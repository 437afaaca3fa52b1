// Child processes.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace udocker {

// Exit status of a child as a shell shows it: its exit code, or 128+n when signal n killed it.
int shell_status(int wait_status);

struct Captured {
  int status = 0;      // shell_status
  std::string output;  // standard output, cut at 16 MiB
};

// Runs a program found in PATH with `input` on its stdin, stderr to /dev/null unless the level is debug.
// Throws SystemError when it cannot be started.
Captured run_captured(const std::vector<std::string>& argv, const std::string& input = {});

// First executable regular file `name` in a `:`-list of directories; `name` itself when it has a slash and is one.
std::optional<std::string> find_program(const std::string& name, const std::string& path_list);

}  // namespace udocker
