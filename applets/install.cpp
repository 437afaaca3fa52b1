// udocker install: put the program's other names in place.
#include "cli/applet.hpp"
#include "ops/install.hpp"
#include "ops/session.hpp"
#include "ops/settings_of.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"--force", "", "replace files of the same names"},
    {"--purge", "", "first remove what an earlier install made"},
    {"--links", "DIR", "only make links to this program in DIR, one for every name it answers to"},
};

int run(const cli::Arguments& args) {
  args.at_most(0);
  auto settings = ops::settings_of(args);
  auto replace = args.has("force") ? ops::Replace::yes : ops::Replace::no;
  if (auto directory = args.value("links")) {
    ops::install_links(*directory, replace);
    return 0;
  }
  log::info(cat("udocker command line interface ", UDOCKER_VERSION));
  if (args.has("purge")) ops::purge_engines(settings);
  ops::install_engines(settings, replace);
  ops::Session(args).repository();  // whose directories the manual's recipes use next
  log::info(cat("installation of engines successful: ", settings.bindir, " (carried in this program, nothing downloaded)"));
  return 0;
}

}  // namespace

extern const cli::Applet applet_install{"install",
                                        "install [--force] [--purge] [--links DIR]",
                                        "put the engines' names in place; nothing is downloaded",
                                        kOptions,
                                        run,
                                        "  udocker install\n  udocker install --links ~/bin\n"};

}  // namespace udocker
