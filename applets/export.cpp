// udocker export: write a container's root file system, or the whole container, to a tar archive.
#include "cli/applet.hpp"
#include "ops/export.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"-o --output", "FILE", "write to FILE; - or nothing is the standard output"},
                                    {"--clone", "", "the whole container, for import --clone"}};

int run(const cli::Arguments& args) {
  auto words = args.words();
  std::string output = args.value_or("output", "-");
  bool whole = args.has("clone");
  // In the Python tool -o is a flag and the file is the first word: `export -o --clone FILE CONTAINER`.
  if (output == "--clone" && words.size() == 2) {
    whole = true;
    output = words[0];
    words.erase(words.begin());
  } else if (words.size() > 1 && words[0] == "-") {
    words.erase(words.begin());
  }
  if (words.empty() || words[0] == "-") throw UsageError("must specify container id or name");
  if (words.size() > 1) throw UsageError(cat("syntax error at: ", printable(words[1])));
  ops::Session session(args);
  ops::export_container(session, words[0], output, whole ? ops::ExportWhat::container : ops::ExportWhat::root);
  return 0;
}

}  // namespace

extern const cli::Applet applet_export{"export", "export [--clone] [-o FILE] <container>", "write a container to a tar file", kOptions, run,
                                       "  udocker export -o rootfs.tar c\n"
                                       "  udocker export c | xz > rootfs.tar.xz\n"
                                       "  udocker export --clone -o c.tar c\n"};

}  // namespace udocker
