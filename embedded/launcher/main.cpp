// udocker-runc: an OCI runtime on the kernel's namespaces, with runc's command line.
#include "cli/applet.hpp"
#include "embedded/launcher/commands.hpp"
#include "embedded/launcher/state.hpp"
#include "host/seccomp.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/json.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <fcntl.h>

namespace udocker::launcher {
namespace {

constexpr const Command* kCommands[] = {&command_create, &command_delete, &command_exec,  &command_features, &command_host, &command_kill,
                                        &command_list,   &command_pause,  &command_ps,    &command_resume,   &command_run,
                                        &command_spec,   &command_start,  &command_state};

constexpr cli::Option kGlobalOptions[] = {
    {"--debug", "", "show each step"},
    {"--log", "FILE", "write error messages to this file too"},
    {"--log-format", "text|json", "form of that file"},
    {"--root", "DIR", "where the states of containers are kept"},
    {"--criu", "PATH", "accepted for compatibility"},
    {"--systemd-cgroup", "", "accepted: the group is made directly"},
    {"--rootless", "BOOL", "accepted: found out by itself"},
    {"-v --version", "", "show the version"},
    {"-h --help", "", "show this help"},
};

constexpr int kUnknownCommand = 3;  // runc's status for it

void print_options(std::span<const cli::Option> options) {
  for (const auto& option : options) {
    std::string left = cat("  ", join(split_words(option.names), ", "), *option.value ? cat(" ", option.value) : "");
    log::output(cat(pad(left, -34), " ", option.help));
  }
}

int show_help() {
  log::output("udocker-runc: OCI runtime\n\nUsage: udocker-runc [options] COMMAND [options] [ID ...]\n\nCommands:");
  for (const Command* command : kCommands) log::output(cat("  ", pad(command->name, -10), command->summary));
  log::output("\nOptions:");
  print_options(kGlobalOptions);
  return 0;
}

int show_help(const Command& command) {
  log::output(cat("Usage: udocker-runc ", command.usage, "\n\n", command.summary, "\n"));
  print_options(command.options);
  return 0;
}

int show_version() {
  log::output(cat("udocker-runc version ", UDOCKER_VERSION, "\nspec: 1.2.0\nlibseccomp: ", host::seccomp_library_version()));
  return 0;
}

void write_log(const Global& global, const std::string& text) {
  if (global.log.empty()) return;
  UniqueFd file(::open(global.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file) return;
  json::Value entry = json::Object{{"level", "error"}, {"msg", text}, {"time", now_rfc3339()}};
  std::string line = global.log_format == "json" ? json::to_compact(entry)
                                                 : cat("time=\"", now_rfc3339(), "\" level=error msg=", json::to_compact(json::Value(text)));
  write_all(file.get(), line + "\n", global.log);
}

std::size_t global_words(const std::vector<std::string>& words) {
  std::size_t at = 0;
  for (; at < words.size() && words[at].starts_with('-'); ++at)
    for (const char* name : {"--log", "--log-format", "--root", "--criu", "--rootless"})
      if (words[at] == name) {
        ++at;
        break;
      }
  return std::min(at, words.size());
}

int launcher_main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  std::span<const std::string> all(words);
  std::size_t at = global_words(words);
  cli::Arguments options = cli::parse(kGlobalOptions, all.subspan(0, at), {});
  if (options.has("version")) return show_version();
  if (options.has("help") || at == words.size() || words[at] == "help") return show_help();
  Global global;
  global.root = options.value_or("root", "");
  if (global.root.empty()) global.root = StateStore::default_root();
  global.root = absolute_path(global.root);
  global.debug = options.has("debug");
  global.log = options.value_or("log", "");
  global.log_format = options.value_or("log-format", "text");
  if (global.log_format != "text" && global.log_format != "json") throw UsageError("--log-format: text or json");
  if (global.debug) log::set_level(log::Level::debug);
  const Command* command = nullptr;
  for (const Command* one : kCommands)
    if (words[at] == one->name) command = one;
  if (!command) throw Error(cat("invalid command: ", printable(words[at]), "; see udocker-runc --help"), kUnknownCommand);
  auto rest = all.subspan(at + 1);
  if (!rest.empty() && (rest[0] == "--help" || rest[0] == "-h")) return show_help(*command);
  try {
    return command->run(global, cli::parse(command->options, rest, {cli::Words::stop_options}));
  } catch (const Error& error) {
    write_log(global, error.what());
    log::error(error.what());
    return command->failure == 1 ? error.exit_code() : command->failure;
  }
}

}  // namespace
}  // namespace udocker::launcher

namespace udocker {
extern const cli::Program program_launcher{"udocker-runc runc", "OCI runtime on namespaces: R modes", launcher::launcher_main};
}
