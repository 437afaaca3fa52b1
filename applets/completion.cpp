// udocker completion: texts for shells and readers, made from the tables of the commands.
#include "cli/applet.hpp"
#include "cli/texts.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

int run(const cli::Arguments& args) {
  args.at_most(1);
  const std::string& kind = args.word(0, "bash, zsh, fish, man or markdown");
  std::string text;
  if (kind == "bash") text = cli::bash_completion();
  else if (kind == "zsh") text = cli::zsh_completion();
  else if (kind == "fish") text = cli::fish_completion();
  else if (kind == "man") text = cli::man_page(UDOCKER_VERSION);
  else if (kind == "markdown") text = cli::markdown_commands();
  else throw UsageError(cat("no text for ", printable(kind), ": there are bash, zsh, fish, man and markdown"));
  log::output(trim(text));
  return 0;
}

}  // namespace

extern const cli::Applet applet_completion{"completion", "completion <bash|zsh|fish|man|markdown>",
                                           "print shell completions or the manual page", {}, run,
                                           "  source <(udocker completion bash)\n  udocker completion man > udocker.1\n"};

}  // namespace udocker
