#include "ops/login.hpp"

#include "ops/registry_access.hpp"
#include "registry/endpoint.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/interrupt.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <optional>

#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr std::size_t kLongestLine = 64 * 1024;

// One line without its end, byte by byte: what follows belongs to somebody else.
std::string read_line(int fd) {
  std::string line;
  for (char c; line.size() < kLongestLine && read_full(fd, &c, 1, "standard input") == 1 && c != '\n';) line += c;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

enum class Echo { on, off };

// A terminal that shows nothing of what is typed. Signals that would end the program are held back until it shows again.
class SilentTerminal {
 public:
  SilentTerminal() {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) ::sigaddset(&signals, signal);
    ::sigprocmask(SIG_BLOCK, &signals, &mask_);
    signals_.reset(::signalfd(-1, &signals, SFD_CLOEXEC));
    changed_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  ~SilentTerminal() { show(); }

  // Returns when a line can be read; a signal has its usual effect first, with the terminal as it was.
  void wait_for_line() {
    pollfd waits[2] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    while (::poll(waits, 2, -1) < 0 && errno == EINTR) {
    }
    if (waits[1].revents) show();
  }

 private:
  void show() {
    if (!changed_) return;
    changed_ = false;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    static_cast<void>(!::write(STDERR_FILENO, "\n", 1));
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }

  termios before_{};
  sigset_t mask_{};
  UniqueFd signals_;
  bool changed_ = false;
};

// Asks at the terminal, else reads standard input without a word.
std::string ask(std::string_view prompt, Echo echo) {
  if (!::isatty(STDIN_FILENO)) return read_line(STDIN_FILENO);
  // Nothing is half made here: a signal ends the program at once, also between the prompt and the read.
  forget_interrupts();
  check_interrupt();
  std::string line;
  {
    std::optional<SilentTerminal> silent;
    if (echo == Echo::off) silent.emplace();
    write_all(STDERR_FILENO, prompt, "terminal");
    if (silent) silent->wait_for_line();
    line = read_line(STDIN_FILENO);
  }
  watch_interrupts();
  return line;
}

// Address under which the keystore files the account: the one requests go to.
std::string keystore_key(const config::Settings& settings, const std::string& registry) {
  if (registry.empty() || registry::account_host(registry) == "docker.io") return settings.dockerio_registry_url;
  std::string key = registry.find("://") == std::string::npos ? cat("https://", registry) : registry;
  while (key.ends_with('/')) key.pop_back();
  return key;
}

void check(const config::Settings& settings, const std::string& place, const registry::Credentials& who) {
  net::Client client(network_options(settings, {}));
  registry::EndpointOptions where;
  where.registry = place;
  where.insecure = settings.http_insecure;
  registry::Remote remote(client, registry::plan_endpoints({}, where), [&](const std::string&, const std::string&) { return who; }, place);
  try {
    remote.check_access();
  } catch (NetworkError& error) {
    // Only a refusal is one: a registry out of reach, or without the entry point, cannot tell.
    bool refused = error.status() == 400 || error.status() == 401 || error.status() == 403;
    if (!refused) {
      log::warning(cat("credentials not checked: ", error.what()));
      return;
    }
    error.add_context("invalid credentials");
    throw;
  }
}

}  // namespace

void login(const config::Settings& settings, const LoginOptions& options) {
  registry::Credentials who;
  who.user = options.user ? *options.user : ask("username: ", Echo::on);
  switch (options.from) {
    case PasswordFrom::option: who.password = options.password; break;
    case PasswordFrom::standard_input: who.password = Secret(read_line(STDIN_FILENO)); break;
    case PasswordFrom::prompt: who.password = Secret(ask("password: ", Echo::off)); break;
  }
  const std::string& text = who.password.reveal();
  if (who.user.empty() || text.empty()) throw Error("invalid credentials: user name or password is empty");
  bool letters = std::any_of(text.begin(), text.end(), [](unsigned char c) { return std::isupper(c) != 0; });
  if (letters && std::none_of(text.begin(), text.end(), [](unsigned char c) { return std::islower(c) != 0; }))
    log::warning("password in uppercase Caps Lock ?");
  who.source = "this login";
  std::string key = keystore_key(settings, options.registry);
  bool bare_host = !options.registry.empty() && options.registry.find("://") == std::string::npos && registry::account_host(options.registry) != "docker.io";
  check(settings, bare_host ? options.registry : key, who);
  registry::Keystore(config::keystore_path(settings)).store(key, who.user, who.password);
}

void logout(const config::Settings& settings, const std::string& registry) {
  std::string key = keystore_key(settings, registry);
  if (!registry::Keystore(config::keystore_path(settings)).erase(key)) throw Error(cat("deleting credentials: there are none for ", key));
}

void logout_all(const config::Settings& settings) {
  if (!registry::Keystore(config::keystore_path(settings)).erase_all()) throw Error("deleting credentials: there are none");
}

}  // namespace udocker::ops
