// One container being made: the job as a value, its first process, and the parent's side of the conversation.
#pragma once
#include "embedded/launcher/plan.hpp"
#include "embedded/launcher/sync.hpp"
#include "oci/runtime_spec.hpp"

#include <csignal>
#include <string>
#include <vector>

#include <sys/types.h>

namespace udocker::launcher {

struct Job {
  std::string id, bundle;
  oci::Config config;
  Comfort comfort;
  Plan plan;
  std::string executable;       // guest path instead of args[0]
  bool own_program = false;     // the program is this very file, under the name args[0]
  int preserve_fds = 0;
  bool wait_for_start = false;  // create: stop before the program until start says so
  std::string start_fifo;       // path of that conversation
  int console_socket = -1;
  bool parent_waits = false;    // the parent answers hooks, takes the terminal, hears "created"
  bool child_waits = false;     // the parent writes maps or joins a cgroup first
  std::string seccomp;
  unsigned seccomp_flags = 0;
  sigset_t mask{};              // of the program
};

// The text of a configuration: from a file, "-" (stdin) or "fd:N".
std::string read_config(const std::string& from);

// Makes the trees of idmapped mounts and notes them in the plan's steps; the result keeps them open.
// Throws NotSupported where the kernel or the file system refuses.
std::vector<UniqueFd> prepare_idmapped(Job& job);

// Starts the first process in its namespaces. Throws NotSupported when the kernel refuses them.
pid_t spawn_container(const Job& job, SocketPair& sockets);

// The container's first process, from its birth to the program. Never returns.
[[noreturn]] void container_main(const Job& job, int socket);

// Runs the hooks of one moment in a directory; throws Error naming the hook when one fails.
void run_hooks(const std::vector<oci::Hook>& hooks, std::string_view moment, const std::string& state, const std::string& directory);
// The same for poststart and poststop: a failure is a warning, and the other hooks run all the same.
void run_late_hooks(const std::vector<oci::Hook>& hooks, std::string_view moment, const std::string& state, const std::string& directory);
// The state as JSON, as hooks and `state` see it.
std::string state_json(const Job& job, pid_t pid, std::string_view status);

}  // namespace udocker::launcher
