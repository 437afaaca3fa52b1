// udocker version: print the version.
#include "cli/applet.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  args.at_most(0);
  log::output(cat("version: ", UDOCKER_VERSION));
  log::output("tarball: (none: the engines are part of this program)");
  log::output("tarball_release: (none)");
  return 0;
}

}  // namespace

extern const cli::Applet applet_version{"version", "version", "print the version", {}, run,
                                        "  udocker version\n  udocker -V\n"};

}  // namespace udocker
