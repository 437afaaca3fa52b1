// udocker ps: list the containers of the local repository.
#include "cli/applet.hpp"
#include "ops/listing.hpp"
#include "ops/session.hpp"
#include "util/log.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"-m", "", "show the execution mode"},
    {"-s", "", "show the size in MB (reads the whole tree)"},
    {"-p", "", "show the platform"},
    {"--json", "", "print a JSON list"},
    {"-a --all", "", ""},
    {"--no-trunc", "", ""},
};

int run(const cli::Arguments& args) {
  args.at_most(0);
  ops::Session session(args);
  ops::ContainerColumns columns{args.has("m"), args.has("s"), args.has("p")};
  if (args.has("json")) {
    log::output(json::to_pretty(ops::containers_json(session, columns)));
    return 0;
  }
  for (const auto& line : ops::container_lines(session, columns)) log::output(line);
  return 0;
}

}  // namespace

extern const cli::Applet applet_ps{"ps", "ps [-m] [-s] [-p] [--json]", "list the containers of the local repository", kOptions, run,
                                   "  udocker ps\n  udocker ps -m -s\n"};

}  // namespace udocker
