// udocker mkrepo: make a local repository in another place.
#include "cli/applet.hpp"
#include "ops/settings_of.hpp"
#include "store/repository.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  std::string directory = absolute_path(args.word(0, "a directory"));
  args.at_most(1);
  ops::settings_of(args);
  if (path_exists(directory)) throw Error(cat("localrepo directory already exists:  ", printable(directory)));
  store::Repository::create(store::Directories::below(directory));
  return 0;
}

}  // namespace

extern const cli::Applet applet_mkrepo{"mkrepo", "mkrepo <directory>", "make a local repository in another place", {}, run,
                                       "  udocker mkrepo /tmp/myrepo\n  udocker --repo=/tmp/myrepo images\n"};

}  // namespace udocker
