// udocker rmname: take a name from a container.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  const std::string& name = args.word(0, "a container name");
  args.at_most(1);
  ops::Session session(args);
  session.repository().containers().remove_name(name);
  log::info(cat("container name: ", printable(name), " removed."));
  return 0;
}

}  // namespace

extern const cli::Applet applet_rmname{"rmname", "rmname <name>", "take a name from a container (which stays)", {}, run,
                                       "  udocker rmname BLUE\n"};

}  // namespace udocker
