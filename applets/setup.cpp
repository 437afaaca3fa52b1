// udocker setup: choose a container's execution mode.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "ops/setup.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"--execmode", "MODE", "P1 P2 T1 T2 F1 F2 F3 F4 R1 R2 R3 S1, or auto: the fastest here"},
    {"--force", "", "change the mode although a step fails, or do it again"},
    {"--nvidia", "", "copy the host's NVIDIA driver libraries into the container"},
    {"--no-nvidia", "", "take them out again"},
    {"--purge", "", "remove mount points and files that earlier runs made in the container"},
    {"--fixperm", "", "make all files the user's own, readable and writable"},
};

int run(const cli::Arguments& args) {
  ops::SetupOptions options;
  options.container = args.word(0, "container_id");
  args.at_most(1);
  options.execmode = args.value_or("execmode", "");
  options.force = args.has("force");
  options.nvidia = args.has("nvidia");
  options.no_nvidia = args.has("no-nvidia");
  options.purge = args.has("purge");
  options.fix_permissions = args.has("fixperm");
  ops::Session session(args);
  ops::setup_container(session, options);
  return 0;
}

}  // namespace

extern const cli::Applet applet_setup{"setup",
                                      "setup [--execmode=MODE] [--force] [--nvidia|--no-nvidia] [--purge] [--fixperm] <container>",
                                      "choose a container's execution mode",
                                      kOptions,
                                      run,
                                      "  udocker setup mycontainer                  print the mode\n"
                                      "  udocker setup --execmode=F3 mycontainer\n"};

}  // namespace udocker
