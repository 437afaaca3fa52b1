// libFuzzer target: command lines (words separated by newlines) for every command and for the PRoot-style programs,
// and the texts that options carry.
#include "archive/stream.hpp"
#include "cli/applet.hpp"
#include "cli/view_options.hpp"
#include "ops/run_options.hpp"
#include "store/containers.hpp"
#include "store/images.hpp"
#include "support.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace {

void check_name(std::string_view text) {
  using namespace udocker;
  auto name = store::ImageName::find(text);
  if (!name) return;
  std::string path = cat("/", name->repository, "/", name->tag, "/");
  for (std::string_view bad : {"/../", "/./", "//"}) fuzz::require(path.find(bad) == path.npos, "an image's name is no safe path");
  fuzz::require(path.find('\0') == path.npos && path.find('\n') == path.npos, "an image's name has odd characters");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace udocker;
  fuzz::Choices choices(data, size);
  unsigned which = choices.byte();
  std::string text = choices.rest();
  auto words = split(text, '\n');
  auto applets = cli::all_applets();
  const cli::Applet& applet = *applets[which % applets.size()];
  fuzz::attempt([&] {
    auto args = cli::parse(applet.options, words, {applet.words});
    fuzz::require(args.words().size() <= words.size(), "words out of nothing");
  });
  fuzz::attempt([&] { static_cast<void>(cli::parse(cli::general_options(), words, {})); });
  fuzz::attempt([&] { static_cast<void>(cli::parse_view_options(words)); });
  for (const auto& word : words) {
    check_name(word);
    if (store::Containers::is_valid_name(word)) fuzz::require(word.find('/') == word.npos && word[0] != '.', "a container's name is no safe path");
    fuzz::attempt([&] { static_cast<void>(ops::parse_volume(word)); });
    fuzz::attempt([&] { static_cast<void>(ops::parse_port(word)); });
  }
  return 0;
}
