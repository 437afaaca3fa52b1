// udocker prune: delete what killed commands left behind, and blobs that no image needs.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  args.at_most(0);
  ops::Session session(args);
  session.repository().containers().collect_work();
  std::size_t trees = session.repository().containers().collect(), files = session.repository().images().prune();
  log::output(cat("removed: ", trees, " unfinished containers, ", files, " unfinished images and unused layers"));
  return 0;
}

}  // namespace

extern const cli::Applet applet_prune{"prune", "prune", "delete leftovers of killed commands and unused layers", {}, run,
                                      "  udocker prune\n"};

}  // namespace udocker
