// udocker save: write images to an archive in docker's format.
#include "cli/applet.hpp"
#include "ops/save.hpp"

#include <algorithm>

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"-o --output", "FILE", "where to write; stdout when absent or -"}};

int run(const cli::Arguments& args) {
  args.word(0, "image:tag or repository/image:tag");
  std::vector<store::ImageName> names;
  for (const auto& word : args.words())
    if (word != "-") names.push_back(store::ImageName::parse(word));
  ops::Session session(args);
  ops::save_images(session, names, args.value_or("output", "-"));
  return 0;
}

}  // namespace

extern const cli::Applet applet_save{"save", "save [-o FILE] <repo/image:tag>...", "save images to an archive (docker format)", kOptions, run,
                                     "  udocker save -o images.tar centos:7 busybox:latest\n"
                                     "  udocker save alpine:3 | docker load\n"};

}  // namespace udocker
