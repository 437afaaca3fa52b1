// udocker protect: guard a container or an image against deletion.
#include "cli/applet.hpp"
#include "ops/protect.hpp"
#include "ops/session.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  const std::string& name = args.word(0, "container_id or image:tag");
  args.at_most(1);
  ops::Session session(args);
  ops::set_protection(session, name, ops::Protection::on);
  return 0;
}

}  // namespace

extern const cli::Applet applet_protect{"protect", "protect <container|image>", "guard a container or an image against deletion", {}, run,
                                        "  udocker protect mycontainer\n"};

}  // namespace udocker
