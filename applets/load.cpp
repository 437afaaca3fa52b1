// udocker load: put images from an archive or OCI layout into the local repository.
#include "cli/applet.hpp"
#include "ops/load.hpp"
#include "util/log.hpp"

#include <algorithm>

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"-i --input", "FILE", "archive, or directory with an OCI layout; stdin when absent or -"},
                                    {"--platform", "OS/ARCH", "which one to take of images for several platforms"}};

int run(const cli::Arguments& args) {
  auto words = args.words();
  words.erase(std::remove(words.begin(), words.end(), "-"), words.end());
  if (words.size() > 1) args.at_most(1);
  ops::LoadRequest request{args.value_or("input", "-"), words.empty() ? "" : words[0], args.value_or("platform", "")};
  ops::Session session(args);
  for (const auto& name : ops::load_images(session, request)) log::output(name.text());
  return 0;
}

}  // namespace

extern const cli::Applet applet_load{"load", "load [-i FILE] [NAME]", "load images from an archive (docker save, OCI layout)",
                                     kOptions, run,
                                     "  udocker load -i centos7.tar\n"
                                     "  docker save alpine | udocker load\n"
                                     "  udocker load -i layout-directory mine\n"};

}  // namespace udocker
