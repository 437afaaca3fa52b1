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
    {"-q --quiet", "", "print the ids only"},
    {"--format", "TEMPLATE", "print rows as '{{.ID}}\\t{{.Names}}', 'table {{.ID}}...' or json say"},
    {"--json", "", "print one JSON list"},
    {"-a --all", "", ""},
    {"--no-trunc", "", ""},
};

int run(const cli::Arguments& args) {
  args.at_most(0);
  ops::Session session(args);
  std::string format = args.has("quiet") ? "{{.ID}}" : args.value_or("format", "");
  if (!format.empty()) {
    for (const auto& line : ops::format_containers(session, format)) log::output(line);
    return 0;
  }
  ops::ContainerColumns columns{args.has("m"), args.has("s"), args.has("p")};
  if (args.has("json")) {
    log::output(json::to_pretty(ops::containers_json(session, columns)));
    return 0;
  }
  for (const auto& line : ops::container_lines(session, columns)) log::output(line);
  return 0;
}

}  // namespace

extern const cli::Applet applet_ps{"ps", "ps [-m] [-s] [-p] [-q] [--format=TEMPLATE] [--json]", "list the containers of the local repository", kOptions, run,
                                   "  udocker ps\n  udocker ps -m -s\n"
                                   "  udocker ps --format 'table {{.Names}}\\t{{.Image}}\\t{{.RunningFor}}\\t{{.Size}}'\n\n"
                                   "fields: .ID .Names .Image .Command .CreatedAt .RunningFor .Size .Mode .Platform\n        .Protected .Access .Root\n"};

}  // namespace udocker
