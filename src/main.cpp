// Picks the engine or command by argv[0] and argv[1]; the one place that turns an Error into a message and a status.
#include "cli/applet.hpp"
#include "host/appended.hpp"
#include "ops/bundle.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/interrupt.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <csignal>
#include <cstdlib>
#include <new>

#include <fcntl.h>
#include <unistd.h>

namespace udocker {
namespace {

std::size_t command_position(const std::vector<std::string>& words) {
  std::size_t at = 0;
  for (; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (word == "--repo" || word == "--config") ++at;
    else if (word.empty() || word[0] != '-') break;
  }
  return std::min(at, words.size());
}

[[noreturn]] void unknown_command(const std::string& name) {
  std::vector<std::string> names;
  for (const cli::Applet* applet : cli::all_applets()) names.emplace_back(applet->name);
  auto hint = nearest(name, names);
  throw UsageError(cat("invalid command: ", printable(name), hint ? cat(" (did you mean ", *hint, "?)") : ""));
}

void set_verbosity(const cli::Arguments& general) {
  if (const char* modules = std::getenv("UDOCKER_LOG")) log::set_modules(modules);
  if (general.has("debug")) log::set_level(log::Level::debug);
  else if (general.has("quiet")) log::set_level(log::Level::message);
}

int run_command(const std::vector<std::string>& words) {
  std::size_t at = command_position(words);
  std::span<const std::string> all(words);
  cli::Arguments general = cli::parse(cli::general_options(), all.subspan(0, at), {});
  set_verbosity(general);
  bool no_command = at == words.size();
  if (::geteuid() == 0 && !general.has("allow-root")) throw Error("do not run as root !");
  if (general.has("version")) return cli::find_applet("version")->run(cli::Arguments());
  if (no_command || general.has("help")) {
    log::output(trim(cli::global_help()));
    return 0;
  }
  const cli::Applet* applet = cli::find_applet(words[at]);
  if (!applet) unknown_command(words[at]);
  auto rest = all.subspan(at + 1);
  for (const auto& word : rest) {
    if (word.empty() || word[0] != '-' || word == "--") break;
    if (word != "--help" && word != "-h") continue;
    log::output(trim(cli::help_text(*applet)));
    return 0;
  }
  cli::Arguments args = cli::parse(applet->options, rest, {applet->words});
  args.set_general(&general);
  watch_interrupts();
  return applet->run(args);
}

// A standard descriptor that the caller has closed stays closed to every program we start, and no file of ours may
// take its number: a placeholder that cannot be read or written holds it until exec.
void hold_standard_descriptors() {
  for (int fd : {0, 1, 2})
    if (::fcntl(fd, F_GETFD) < 0) (void)!::open("/", O_PATH | O_CLOEXEC);
}

int dispatch(int argc, char** argv) {
  std::string name = argc > 0 ? path_basename(argv[0]) : "udocker";
  if (name.starts_with('-')) name.erase(0, 1);  // a login shell's spelling
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  // A bundle may have any name but those under which it starts its own engines.
  if (auto appended = host::appended(); appended && !(name.starts_with("udocker-") && cli::find_program(name))) {
    auto run_words = ops::bundle_words(*appended, words);
    return run_words ? run_command(*run_words) : 0;
  }
  if (const cli::Program* program = cli::find_program(name)) return program->main(argc, argv);
  if (name.starts_with("udocker-")) {
    std::string known;
    for (const cli::Program* program : cli::all_programs()) known += cat(" ", program->names);
    throw UsageError(cat("no program named ", printable(name), " in here; there are:", known));
  }
  return run_command(words);
}

}  // namespace
}  // namespace udocker

int main(int argc, char** argv) {
  using namespace udocker;
  int status;
  hold_standard_descriptors();
  try {
    status = dispatch(argc, argv);
    log::flush();
  } catch (const Error& error) {
    if (pending_interrupt()) {
      log::info(pending_interrupt() == SIGINT ? "keyboard interrupt" : "ended by a signal");
      die_of_interrupt();
    }
    log::error(error.what());
    status = error.exit_code();
  } catch (const std::bad_alloc&) {
    log::error("out of memory");
    status = 1;
  }
  // Leave without running destructors of statics: engines may have replaced what they would touch.
  std::fflush(stdout);
  ::_exit(status);
}
