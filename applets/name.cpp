// udocker name: give a container a name.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  const std::string &wanted = args.word(0, "container_id"), &name = args.word(1, "a name");
  args.at_most(2);
  ops::Session session(args);
  const auto& containers = session.repository().containers();
  auto container = containers.find(wanted);
  if (!container) throw Error(cat("invalid container id or name", ops::suggest_container(session, wanted)));
  containers.set_name(*container, name);
  return 0;
}

}  // namespace

extern const cli::Applet applet_name{"name", "name <container> <name>", "give a container a name", {}, run,
                                     "  udocker name d2578feb-acfc-37e0-8561-47335f85e46d BLUE\n"};

}  // namespace udocker
