// udocker tag: give an image a second name.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  auto source = store::ImageName::parse(args.word(0, "image:tag or repository/image:tag"));
  auto target = store::ImageName::find(args.word(1, "a new image:tag or repository/image:tag"));
  args.at_most(2);
  if (!target) throw Error("target name is invalid");
  ops::Session session(args);
  const auto& images = session.repository().images();
  if (images.find(*target)) throw Error("target already exists");
  auto image = images.find(source);
  if (!image) throw Error(cat("source does not exist", ops::suggest_image(session, source.text())));
  if (image->is_protected()) throw Error("source repository is protected");
  images.copy(*image, *target);
  return 0;
}

}  // namespace

extern const cli::Applet applet_tag{"tag", "tag <repo/image:tag> <new repo/image:tag>", "give an image a second name", {}, run,
                                    "  udocker tag centos:7 mycentos:v1\n"};

}  // namespace udocker
