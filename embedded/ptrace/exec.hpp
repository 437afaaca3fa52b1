// From an execve of the guest to the program's first instruction.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "embedded/ptrace/registers.hpp"
#include "embedded/ptrace/tracee.hpp"

namespace udocker::ptrace {

// What must be done once the kernel has executed the stub or the program.
struct PendingExec {
  bool by_stub = false;
  bool has_interpreter = false;
  std::string program_host, interpreter_host;
  std::string program_guest;  // for /proc/PID/exe
  std::string shown;          // AT_EXECFN
  std::string name;           // of the thread, as ps shows it
  guest::ElfFacts program, interpreter;
  uint32_t mode = 0, uid = 0, gid = 0;
};

// Argument vector and path for the call itself: written into the tracee; false: `error` holds the answer.
struct ExecCall {
  uint64_t path = 0, arguments = 0;
  long error = 0;
};

// `stub_paths`: where the tracee finds the stubs' files, the 32-bit one second. `view` gives the emulator.
ExecCall prepare_exec(Tracee& tracee, TraceeMemory& memory, const guest::ExecPlan& plan, const guest::View& view,
                      const std::string& emulator, const std::vector<std::string>& emulator_args,
                      const std::string (&stub_paths)[2], const std::string& requested, uint64_t argv, bool compat);

// At the exec event: fixes the auxiliary vector and starts the stub's script. `fake`: ids are the emulated ones. The
// number of system calls in the script; 0: there is none.
int complete_exec(Tracee& tracee, TraceeMemory& memory, Registers& registers, bool fake);

}  // namespace udocker::ptrace
