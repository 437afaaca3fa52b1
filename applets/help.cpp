// udocker help: the help of the program or of one command.
#include "cli/applet.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  args.at_most(1);
  if (args.words().empty()) {
    log::output(trim(cli::global_help()));
    return 0;
  }
  const cli::Applet* applet = cli::find_applet(args.words()[0]);
  if (!applet) throw UsageError(cat("invalid command: ", printable(args.words()[0])));
  log::output(trim(cli::help_text(*applet)));
  return 0;
}

}  // namespace

extern const cli::Applet applet_help{"help", "help [command]", "show the help of the program or of a command", {}, run,
                                     "  udocker help\n  udocker help run\n"};

}  // namespace udocker
