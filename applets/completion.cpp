// udocker completion: texts for shells and readers, made from the tables of the commands.
#include "cli/applet.hpp"
#include "cli/texts.hpp"
#include "engine/plan.hpp"
#include "ops/session.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

std::string words_of(const cli::Arguments& args, const std::string& kind) {
  if (kind == "modes") return cat("auto ", engine::mode_names());
  if (kind == "pull") return "missing never always reuse";
  if (kind == "platforms") return "linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/s390x linux/riscv64";
  if (kind == "files") return "";
  bool containers = kind == "containers" || kind == "both", images = kind == "images" || kind == "both";
  if (!containers && !images) throw UsageError(cat("no words of kind ", printable(kind), ": there are containers, images, both, modes, pull and platforms"));
  ops::Session session(args);
  std::vector<std::string> words;
  if (!store::Repository::exists(ops::directories_of(session.settings()))) return "";  // asking makes nothing
  const auto& repository = session.repository();
  if (containers) {
    for (auto& [id, name] : repository.containers().names()) words.push_back(std::move(name));
    for (const auto& container : repository.containers().list()) words.push_back(container.id());
  }
  if (images)
    for (const auto& image : repository.images().list()) words.push_back(image.name().text());
  return join(words, "\n");
}

int run(const cli::Arguments& args) {
  const std::string& kind = args.word(0, "bash, zsh, fish, man, markdown or words");
  args.at_most(kind == "words" ? 2 : 1);
  std::string text;
  if (kind == "bash") text = cli::bash_completion();
  else if (kind == "zsh") text = cli::zsh_completion();
  else if (kind == "fish") text = cli::fish_completion();
  else if (kind == "man") text = cli::man_page(UDOCKER_VERSION);
  else if (kind == "markdown") text = cli::markdown_commands();
  else if (kind == "words") text = join(split_words(words_of(args, args.word(1, "containers, images, both, modes, pull or platforms"))), "\n");
  else throw UsageError(cat("no text for ", printable(kind), ": there are bash, zsh, fish, man, markdown and words"));
  log::output(trim(text));
  return 0;
}

}  // namespace

extern const cli::Applet applet_completion{"completion", "completion <bash|zsh|fish|man|markdown|words KIND>",
                                           "print shell completions or the manual page", {}, run,
                                           "  source <(udocker completion bash)\n  udocker completion man > udocker.1\n"};

}  // namespace udocker
