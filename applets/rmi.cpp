// udocker rmi: delete an image.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"-f --force", "", "go on past files that cannot be deleted"}};

int run(const cli::Arguments& args) {
  auto name = store::ImageName::parse(args.word(0, "image:tag or repository/image:tag"));
  args.at_most(1);
  ops::Session session(args);
  const auto& images = session.repository().images();
  auto image = images.find(name);
  if (!image) throw Error(cat("deleting image: there is no image ", printable(name.text()), ops::suggest_image(session, name.text())));
  if (image->is_protected()) throw Error("image repository is protected");
  log::info(cat("deleting image: ", name.text()));
  images.remove(name, args.has("force") ? store::Force::yes : store::Force::no);
  return 0;
}

}  // namespace

extern const cli::Applet applet_rmi{"rmi", "rmi [-f] <repo/image:tag>", "delete an image", kOptions, run,
                                    "  udocker rmi busybox:latest\n"};

}  // namespace udocker
