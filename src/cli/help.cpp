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

std::string option_lines(std::span<const Option> options) {
  std::string out;
  for (const auto& option : options) {
    if (option.help[0] == '\0') continue;
    std::string_view value = option.value;
    std::string left = cat("  ", join(split_words(option.names), ", "));
    if (value.starts_with('[')) left += cat("[=", value.substr(1));
    else if (!value.empty()) left += cat(option.names[0] == '-' && option.names[1] != '-' && left.find("--") == std::string::npos ? " " : "=", value);
    out += cat(pad(left, -34), left.size() >= 34 ? cat("\n", std::string(34, ' ')) : "", option.help, "\n");
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
