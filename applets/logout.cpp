// udocker logout: forget an account at a registry.
#include "cli/applet.hpp"
#include "ops/login.hpp"
#include "ops/settings_of.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"-a --all", "", "forget all accounts"},
    {"--registry", "URL", "registry of the account (default: Docker Hub)"},
};

int run(const cli::Arguments& args) {
  args.at_most(1);
  auto settings = ops::settings_of(args);
  if (args.has("all")) ops::logout_all(settings);
  else ops::logout(settings, args.value_or("registry", args.words().empty() ? "" : args.words()[0]));
  return 0;
}

}  // namespace

extern const cli::Applet applet_logout{"logout", "logout [-a] [--registry=URL | registry]", "forget an account at a registry", kOptions, run,
                                       "  udocker logout\n  udocker logout --registry=quay.io\n  udocker logout -a\n"};

}  // namespace udocker
