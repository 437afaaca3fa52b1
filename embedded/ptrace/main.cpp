// udocker-proot: runs a command in another root with its system calls rewritten by ptrace. PRoot's command line.
#include <cstdio>
#include <string>
#include <vector>

#include "cli/applet.hpp"
#include "cli/view_options.hpp"
#include "embedded/ptrace/engine.hpp"
#include "host/self.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int ptrace_main(int argc, char** argv) {
  cli::ViewOptions options = cli::parse_view_options({argv + 1, argv + argc});
  if (options.show_help) {
    log::output(trim(cli::view_options_help("udocker-proot")));
    return 0;
  }
  if (options.show_version) {
    log::output(cat("udocker-proot ", UDOCKER_VERSION));
    return 0;
  }
  if (host::inside_trap_engine())
    throw NotSupported("the ptrace engine cannot trace what the trap engine runs", "use execution mode T1 here");
  if (options.argv.empty()) options.argv = {"/bin/sh", "-l"};
  std::string stand_ins;
  auto& block = *new std::vector<char>(cli::make_view(options, &stand_ins));
  ptrace::EngineOptions settings;
  settings.argv = options.argv;
  settings.workdir = options.workdir;
  settings.emulator = options.emulator;
  settings.emulator_args = options.emulator_args;
  settings.seccomp = options.seccomp;
  settings.listen = options.listen;
  settings.kill_on_exit = options.kill_on_exit;
  settings.trust_owners = options.trust_owners;
  struct Cleaner {
    const std::string& path;
    ~Cleaner() { cli::remove_stand_ins(path); }
  } cleaner{stand_ins};
  // Never destroyed: its second thread ends with the process.
  auto& engine = *new ptrace::Engine(*reinterpret_cast<guest::View*>(block.data()), settings);
  return engine.run();
}

}  // namespace

extern const cli::Program program_ptrace;
const cli::Program program_ptrace{"udocker-proot proot", "run a command in another root by ptrace (PRoot's options)", ptrace_main};

}  // namespace udocker
