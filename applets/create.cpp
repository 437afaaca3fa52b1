// udocker create: make a container from a local image.
#include "ops/create.hpp"

#include "cli/applet.hpp"
#include "util/error.hpp"
#include "util/log.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"--name", "NAME", "give the container a name"},
    {"--force", "", "go on without the name when it is taken or invalid"},
};

int run(const cli::Arguments& args) {
  auto image = store::ImageName::parse(args.word(0, "image:tag or repository/image:tag"));
  args.at_most(1);
  std::string name = args.value_or("name", "");
  ops::Session session(args);
  bool usable = name.empty() || (store::Containers::is_valid_name(name) && !session.repository().containers().has_name(name));
  if (!usable && args.has("force")) name.clear();
  log::output(ops::create_container(session, image, name).id());
  return 0;
}

}  // namespace

extern const cli::Applet applet_create{"create", "create [--name=NAME] [--force] <repo/image:tag>",
                                       "make a container from a local image; prints its id", kOptions, run,
                                       "  udocker create --name=mycontainer ubuntu:24.04\n"};

}  // namespace udocker
