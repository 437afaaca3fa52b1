// The last part of the way: limits, ids, capabilities, filter, and the program itself.
#pragma once
#include "embedded/launcher/plan.hpp"
#include "oci/runtime_spec.hpp"

#include <csignal>
#include <string>
#include <vector>

namespace udocker::launcher {

// Everything that start_process needs, prepared while allocating and failing are still easy.
struct ProgramStart {
  const oci::Process* process = nullptr;
  const Comfort* comfort = nullptr;
  std::string executable;   // guest path; empty: by args[0] and PATH
  int executable_fd = -1;   // start this descriptor instead
  std::string personality;  // "" "LINUX" "LINUX32"
  std::string seccomp;      // compiled filter; empty: none
  unsigned seccomp_flags = 0;
  bool in_user_namespace = false;
  int preserve_fds = 0;     // descriptors 3 … 2+n stay open
  sigset_t mask{};          // signal mask of the program
  std::vector<std::string> environment;
};

// The guest path of args[0]. Throws Error with exit code 127 or 126.
std::string find_executable(const oci::Process& process);
// process.env, each name once (the last one counts), with HOME added from the container's /etc/passwd when it is missing, as other runtimes do.
std::vector<std::string> complete_environment(const oci::Process& process, bool add_home);

// Throws Error when an id of the program has no name in this user namespace: `create` says so, not the program's output.
void check_ids(const oci::Process& process);
// What can be set long before the program runs: limits, scheduling, OOM score. Throws Error.
void prepare_process(const ProgramStart& start);
// Becomes the program. Returns only by throwing Error.
[[noreturn]] void start_process(const ProgramStart& start);

}  // namespace udocker::launcher
