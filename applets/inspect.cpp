// udocker inspect: print the metadata of a container or an image.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"-p", "", "print the path of the container's root instead"}};

int run(const cli::Arguments& args) {
  const std::string& wanted = args.word(0, "container_id or image:tag");
  args.at_most(1);
  ops::Session session(args);
  if (auto container = session.repository().containers().find(wanted)) {
    if (args.has("p")) {
      log::output(absolute_path(container->root()));
      return 0;
    }
    auto metadata = container->metadata();
    if (!metadata) throw Error("invalid container json metadata");
    log::output(json::to_pretty(*metadata));
    return 0;
  }
  auto name = store::ImageName::find(wanted);
  auto image = name ? session.repository().images().find(*name) : std::nullopt;
  if (!image || args.has("p")) throw Error(cat("image or container not found ", printable(wanted), ops::suggest_any(session, wanted)));
  log::output(json::to_pretty(image->config()));
  return 0;
}

}  // namespace

extern const cli::Applet applet_inspect{"inspect", "inspect [-p] <container|image>", "print the metadata of a container or an image",
                                        kOptions, run, "  udocker inspect ubuntu:latest\n  udocker inspect -p mycontainer\n"};

}  // namespace udocker
