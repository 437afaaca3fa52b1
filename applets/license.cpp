// udocker license: the licences of this program and of all parts in it.
#include "cli/applet.hpp"
#include "host/blob.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  args.at_most(0);
  std::string_view texts = host::blob::licences();
  if (texts.empty()) throw NotSupported("this build carries no licence texts", "see LICENSE and toolchain/sources.lock in its sources");
  log::output(trim(texts));
  return 0;
}

}  // namespace

extern const cli::Applet applet_license{"license", "license", "print the licences of udocker and of the parts in it", {}, run,
                                        "  udocker license | less\n"};

}  // namespace udocker
