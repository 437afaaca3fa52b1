// udocker login: check and store an account at a registry.
#include "cli/applet.hpp"
#include "ops/login.hpp"
#include "ops/settings_of.hpp"
#include "util/error.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"-u --username", "USER", "account's name (default: asked for)"},
    {"-p --password", "PASSWORD", "password; other users can see it while the command runs"},
    {"--password-stdin", "", "read the password from standard input"},
    {"--registry", "URL", "registry of the account (default: Docker Hub)"},
};

int run(const cli::Arguments& args) {
  args.at_most(1);
  ops::LoginOptions options;
  options.registry = args.value_or("registry", args.words().empty() ? "" : args.words()[0]);
  options.user = args.value("username");
  if (args.has("password") && args.has("password-stdin")) throw UsageError("--password and --password-stdin exclude each other");
  if (args.has("password-stdin")) options.from = ops::PasswordFrom::standard_input;
  if (auto password = args.value("password")) {
    options.from = ops::PasswordFrom::option;
    options.password = Secret(*password);
  }
  ops::login(ops::settings_of(args), options);
  return 0;
}

}  // namespace

extern const cli::Applet applet_login{"login",
                                      "login [options] [registry]",
                                      "check an account at a registry and store it",
                                      kOptions,
                                      run,
                                      "  udocker login --username=me\n  udocker login --username=me --password-stdin quay.io < secret\n"};

}  // namespace udocker
