// udocker clone: copy a container.
#include "cli/applet.hpp"
#include "ops/clone.hpp"
#include "util/log.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"--name", "NAME", "give the copy a name"}};

int run(const cli::Arguments& args) {
  const std::string& source = args.word(0, "container id or name");
  args.at_most(1);
  ops::Session session(args);
  log::output(ops::clone_container(session, source, args.value_or("name", "")).id());
  return 0;
}

}  // namespace

extern const cli::Applet applet_clone{"clone", "clone [--name=NAME] <container>", "copy a container", kOptions, run,
                                      "  udocker clone --name=second first\n"};

}  // namespace udocker
