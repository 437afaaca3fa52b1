// udocker rename: change a container's name.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  const std::string &old_name = args.word(0, "a container name"), &new_name = args.word(1, "a new name");
  args.at_most(2);
  ops::Session session(args);
  const auto& containers = session.repository().containers();
  auto container = containers.find(old_name);
  if (!container) throw Error(cat("container does not exist", ops::suggest_container(session, old_name)));
  if (container->id() == old_name) throw Error("name does not exist");
  if (containers.has_name(new_name)) throw Error("new name already exists");
  containers.set_name(*container, new_name);  // both names exist for a moment, never none
  containers.remove_name(old_name);
  return 0;
}

}  // namespace

extern const cli::Applet applet_rename{"rename", "rename <name> <new name>", "change a container's name", {}, run,
                                       "  udocker rename BLUE GREEN\n"};

}  // namespace udocker
