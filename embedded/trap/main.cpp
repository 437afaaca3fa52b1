// udocker-trap: runs a program under a view of the file system, confined from inside its own processes.
#include "cli/applet.hpp"
#include "cli/view_options.hpp"
#include "embedded/trap/launch.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cstdio>

namespace udocker {
namespace {

constexpr const char* kEngineHelp =
    "  --lib=DIR      folder in which the runtime is unpacked (default: kept in memory)\n"
    "  --cache=DIR    folder of patched copies of libraries: near-native calls (T1); without it T2\n";

int run(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  std::vector<std::pair<std::string, std::string>> own;
  cli::ViewOptions options = cli::parse_view_options(words, {"--lib=", "--cache="}, &own);
  if (options.show_help) {
    log::output(cat(cli::view_options_help("udocker-trap"), kEngineHelp));
    return 0;
  }
  if (options.show_version) {
    log::output(cat("udocker-trap ", UDOCKER_VERSION));
    return 0;
  }
  trap::Folders folders;
  for (const auto& [name, value] : own) (name == "--lib" || name == "--lib=" ? folders.lib : folders.cache) = value;
  return trap::launch(options, folders, words);
}

}  // namespace

extern const cli::Program program_trap{"udocker-trap", "run a program under a view, confined from inside", run};

}  // namespace udocker
