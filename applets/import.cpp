// udocker import: an image or a container from an archive of a root file system.
#include "cli/applet.hpp"
#include "ops/import.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"--mv", "", "move the file into the repository"},
                                    {"--tocontainer", "", "make a container instead of an image"},
                                    {"--clone", "", "make a container from what export --clone wrote"},
                                    {"--name", "NAME", "name of the container"},
                                    {"--platform", "OS/ARCH", "platform to note; the host's when absent"}};

int run(const cli::Arguments& args) {
  auto words = args.words();
  ops::ImportSource source{"", args.value_or("platform", "")};
  if (auto dash = std::find(words.begin(), words.end(), "-"); dash != words.end()) {
    source.file = "-";
    words.erase(dash);
  } else {
    source.file = args.word(0, "tar filename");
    words.erase(words.begin());
  }
  if (words.size() > 1) throw UsageError(cat("syntax error at: ", printable(words[1])));
  std::string image = words.empty() ? "" : store::ImageName::parse(words[0]).text(), name = args.value_or("name", "");
  bool to_container = args.has("tocontainer"), clone = args.has("clone");
  if (!to_container && !clone && image.empty()) throw UsageError("must specify image:tag or repository/image:tag");
  if (!to_container && !clone && !name.empty()) throw UsageError("--name is for containers: it goes with --tocontainer or --clone");
  ops::Session session(args);
  if (clone) {
    log::output(ops::import_clone(session, source, name).id());
  } else if (to_container) {
    log::output(ops::import_container(session, source, image, name).id());
  } else {
    auto original = args.has("mv") ? ops::Original::remove : ops::Original::keep;
    std::string digest = ops::import_image(session, source, store::ImageName::parse(image), original);
    log::info(cat("added layer ", digest.substr(digest.find(':') + 1)));
  }
  return 0;
}

}  // namespace

extern const cli::Applet applet_import{"import", "import [OPTIONS] <file|-> [<repo/image:tag>]",
                                       "make an image or a container from a tar file", kOptions, run,
                                       "  udocker import rootfs.tar.xz mylinux:1\n"
                                       "  docker export c | udocker import - mylinux:2\n"
                                       "  udocker import --tocontainer --name=c rootfs.tar\n"
                                       "  udocker import --clone --name=copy container.tar\n"};

}  // namespace udocker
