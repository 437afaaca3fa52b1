// udocker showconf: print all settings in force.
#include "cli/applet.hpp"
#include "config/settings.hpp"
#include "ops/settings_of.hpp"
#include "util/log.hpp"

#include <string>

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  args.at_most(0);
  const std::string rule(80, '-');
  log::output(rule);
  log::output("\t\tConfiguration options");
  for (const auto& line : config::settings_lines(ops::settings_of(args))) log::output(line);
  log::output(rule);
  return 0;
}

}  // namespace

extern const cli::Applet applet_showconf{"showconf", "showconf", "print all settings in force", {}, run,
                                         "  udocker showconf\n  udocker --config=my.conf showconf\n"};

}  // namespace udocker
