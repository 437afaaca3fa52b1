// udocker rm: delete containers.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"-f --force", "", "accepted: odd permissions are always overcome"}};

int run(const cli::Arguments& args) {
  args.word(0, "container_id");
  ops::Session session(args);
  const auto& containers = session.repository().containers();
  int status = 0;
  for (const auto& word : args.words()) {
    check_interrupt();
    try {
      auto container = containers.find(word);
      if (!container) throw Error(cat("invalid container id ", printable(word), ops::suggest_container(session, word)));
      if (container->is_protected()) throw Error("container is protected");
      log::info(cat("deleting container: ", container->id()));
      containers.remove(*container);
    } catch (const Error& error) {  // the others are deleted all the same
      log::error(error.what());
      status = 1;
    }
  }
  return status;
}

}  // namespace

extern const cli::Applet applet_rm{"rm", "rm [-f] <container>...", "delete containers", kOptions, run,
                                   "  udocker rm mycontainer\n  udocker rm -f BLUE 7b2d4456-9ee7-3138-ad01-63d1342d8545\n"};

}  // namespace udocker
