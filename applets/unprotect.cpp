// udocker unprotect: permit deletion again.
#include "cli/applet.hpp"
#include "ops/protect.hpp"
#include "ops/session.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  const std::string& name = args.word(0, "container_id or image:tag");
  args.at_most(1);
  ops::Session session(args);
  ops::set_protection(session, name, ops::Protection::off);
  return 0;
}

}  // namespace

extern const cli::Applet applet_unprotect{"unprotect", "unprotect <container|image>", "permit deletion again", {}, run,
                                        "  udocker unprotect mycontainer\n"};

}  // namespace udocker
