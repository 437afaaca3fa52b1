// udocker bundle: one executable that holds this program and an image.
#include "cli/applet.hpp"
#include "engine/plan.hpp"
#include "ops/bundle.hpp"
#include "ops/pull.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"-o --output", "FILE", "the executable to write"},
    {"--options", "OPTIONS", "options of `udocker run` that it uses, as \"--hostenv -v /data\"", cli::Repeat::list},
    {"--execmode", "MODE", "execution mode it uses (default auto: the fastest that works where it is started)"},
};

// What could not be run later is refused now.
void check(const ops::BundleOptions& options) {
  if (to_lower(options.execmode) != "auto" && !engine::find_mode(options.execmode))
    throw UsageError(cat("invalid execmode: ", printable(options.execmode), " (there are: auto ", engine::mode_names(), ")"));
  cli::Arguments parsed = cli::parse(cli::find_applet("run")->options, options.run_options, {});
  if (!parsed.words().empty()) throw UsageError(cat("--options takes options only, not ", printable(parsed.words()[0])));
}

int run(const cli::Arguments& args) {
  std::string name = args.word(0, "image:tag");
  std::string output = args.value_or("output", "");
  if (output.empty()) throw UsageError("must specify the file to write: -o FILE");
  ops::BundleOptions options;
  options.execmode = args.value_or("execmode", "auto");
  for (const auto& text : args.values("options"))
    for (auto& word : split_words(text)) options.run_options.push_back(std::move(word));
  options.command.assign(args.words().begin() + 1, args.words().end());
  check(options);
  ops::Session session(args);
  auto image = store::ImageName::parse(name);
  if (!session.repository().images().find(image)) ops::pull_image(session, name, {});
  ops::make_bundle(session, image, output, options);
  return 0;
}

}  // namespace

extern const cli::Applet applet_bundle{"bundle", "bundle -o FILE [options] <repo/image:tag> [command [arguments]]",
                                       "make one executable that holds udocker and an image", kOptions, run,
                                       "  udocker bundle -o blast ncbi/blast\n"
                                       "  ./blast blastp -help                          runs it, here or on any other host\n"
                                       "  udocker bundle -o py python:3.12 python3      ./py script.py is python3 script.py\n"
                                       "  ./py --udocker-help                           what a bundle understands\n",
                                       cli::Words::stop_options};

}  // namespace udocker
