#include "cli/applet.hpp"

#include "util/strings.hpp"

#include <algorithm>

namespace udocker::cli {

namespace {

constexpr Option kGeneral[] = {
    {"-h --help", "", "this help"},
    {"-V --version", "", "version of this program"},
    {"-D --debug", "", "messages for finding faults"},
    {"-q --quiet", "", "fewer messages"},
    {"--insecure", "", "accept registries without or with wrong TLS certificates"},
    {"--repo", "DIR", "use the local repository DIR (see mkrepo)"},
    {"--config", "FILE", "read this configuration file last"},
    {"--allow-root", "", "permit running as root"},
};

constexpr std::size_t kLeft = 34, kWidth = 100;

// Options of docker's that are in a table only to be accepted or refused say so at the start of their help.
bool is_of_note(const Option& option) {
  std::string_view help = option.help;
  return !help.empty() && !help.starts_with("accepted") && !help.starts_with("refused: ");
}

std::string option_lines(std::span<const Option> options) {
  std::string out;
  for (const auto& option : options) {
    if (!is_of_note(option)) continue;
    std::string_view value = option.value;
    auto names = split_words(option.names);
    std::string left = cat("  ", join(names, ", "));
    if (value.starts_with('[')) left += cat("[=", value.substr(1));
    else if (!value.empty()) left += cat(names.back().starts_with("--") ? "=" : " ", value);
    out += cat(pad(left, -static_cast<int>(kLeft)), left.size() >= kLeft ? cat("\n", std::string(kLeft, ' ')) : "", option.help, "\n");
  }
  return out;
}

// Words in lines of kWidth, the later ones indented.
std::string wrapped(const std::vector<std::string>& words) {
  std::string out = " ";
  std::size_t column = 1;
  for (const auto& word : words) {
    if (column + 1 + word.size() > kWidth) {
      out += "\n   ";
      column = 3;
    }
    out += cat(" ", word);
    column += 1 + word.size();
  }
  return out + "\n";
}

// The others, by the reason they give: "--a --b: reason".
std::string other_option_lines(std::span<const Option> options, std::string_view beginning) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const auto& option : options) {
    std::string_view help = option.help;
    if (!help.starts_with(beginning)) continue;
    std::string reason(help.substr(beginning.size()));
    auto at = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == reason; });
    if (at == groups.end()) at = groups.insert(groups.end(), {reason, {}});
    for (auto& name : split_words(option.names)) at->second.push_back(std::move(name));
  }
  std::string out;
  for (auto& [reason, words] : groups) {
    std::string_view text = trim(std::string_view(reason).substr(reason.starts_with(",") || reason.starts_with(":") ? 1 : 0));
    words.back() += ":";
    for (auto& word : split_words(text)) words.push_back(std::move(word));
    out += wrapped(words);
  }
  return out;
}

bool has_name(const char* names, std::string_view wanted) {
  auto list = split_words(names);
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

}  // namespace

std::span<const Option> general_options() { return kGeneral; }

std::string help_text(const Applet& applet) {
  std::string out = cat("udocker ", applet.name, ": ", applet.summary, "\n\nusage: udocker ", applet.usage, "\n");
  if (!applet.options.empty()) out += cat("\noptions:\n", option_lines(applet.options));
  if (std::string others = other_option_lines(applet.options, "accepted"); !others.empty())
    out += cat("\naccepted, changing nothing:\n", others);
  if (std::string others = other_option_lines(applet.options, "refused: "); !others.empty()) out += cat("\nrefused:\n", others);
  if (applet.examples[0] != '\0') out += cat("\nexamples:\n", applet.examples);
  return out;
}

std::string global_help() {
  std::string out =
      "udocker: run Docker and OCI containers without root, daemon or installation\n\n"
      "usage: udocker [general options] COMMAND [options] [arguments]\n\ncommands:\n";
  for (const Applet* applet : all_applets()) out += cat("  ", pad(applet->name, -12), applet->summary, "\n");
  out += cat("\ngeneral options:\n", option_lines(kGeneral));
  out += "\nexamples:\n"
         "  udocker pull busybox                           fetch an image\n"
         "  udocker create --name=verybusy busybox         make a container of it\n"
         "  udocker run verybusy                           run it\n"
         "  udocker run -v /tmp/mydir verybusy             with a folder of the host\n"
         "  udocker run hello                              the image this program carries: no network needed\n"
         "\n'udocker COMMAND --help' tells more about a command.\n";
  return out;
}

const Program* find_program(std::string_view name) {
  // The Python tool's names for its engines end in the machine: proot-x86_64, proot-x86_64-4_8_0, runc-arm64.
  for (const char* machine : {"-x86_64", "-x86", "-arm64", "-armhf", "-armel", "-ppc64le", "-aarch64"})
    if (auto at = name.find(machine); at != std::string_view::npos) name = name.substr(0, at);
  for (const Program* program : all_programs())
    if (has_name(program->names, name)) return program;
  return nullptr;
}

const Applet* find_applet(std::string_view name) {
  for (const Applet* applet : all_applets())
    if (name == applet->name) return applet;
  return nullptr;
}

}  // namespace udocker::cli
