#include "ops/search.hpp"

#include "oci/reference.hpp"
#include "registry/search.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr int kMostPages = 200;

int terminal_lines() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row : 24;
}

std::string first_line(const std::string& text) { return printable(trim(std::string_view(text).substr(0, text.find_first_of("\r\n")))); }

void print_row(const std::string& name, const std::string& official, const std::string& description, const std::string& stars, bool whole) {
  log::output(cat(pad(name, -55, whole ? 0 : 80), " ", pad(official, 8, whole ? 0 : 8), " ", pad(description, -70, whole ? 0 : 70), " ", pad(stars, 5, whole ? 0 : 5)));
}

std::string with_scheme(const std::string& place) {
  std::string url = place.empty() || place.find("://") != std::string::npos ? place : cat("https://", place);
  while (url.ends_with('/')) url.pop_back();
  return url;
}

// At a terminal: does the person want another page?
bool wants_more() {
  std::string_view prompt = "[return or q to quit]";
  log::flush();
  write_all(STDOUT_FILENO, prompt, "terminal");
  std::string answer;
  for (char c; read_full(STDIN_FILENO, &c, 1, "terminal") == 1 && c != '\n';) answer += c;
  return answer.empty() || std::string_view("qQeE").find(answer[0]) == std::string_view::npos;
}

registry::SearchPlace place_of(const config::Settings& settings, const std::string& expression, const RegistryOptions& options) {
  registry::SearchPlace out;
  out.query = expression;
  std::string_view host = oci::registry_part(expression);
  if (!host.empty()) out.query = expression.substr(host.size() + 1);
  if (auto colon = out.query.rfind(':'); colon != std::string::npos) out.query.resize(colon);
  bool hub = host.empty() || registry::account_host(host) == "docker.io";
  if (!options.index.empty() || !options.registry.empty()) {
    out.index = with_scheme(options.index);
    out.registry = with_scheme(options.registry);
  } else if (hub) {
    out.index = with_scheme(settings.dockerio_index_url);
    out.registry = with_scheme(settings.dockerio_registry_url);
  } else {
    out.index = out.registry = with_scheme(std::string(host));
    out.host = host;
  }
  out.verify = settings.http_insecure ? net::Verify::no : net::Verify::yes;
  return out;
}

}  // namespace

void search(const config::Settings& settings, const std::string& expression, const SearchOptions& options) {
  net::Client client(network_options(settings, options.place));
  bool person = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
  int lines = terminal_lines() - 2;
  registry::Search pages(client, place_of(settings, expression, options.place), lines, accounts_of(settings));
  if (log::enabled(log::Level::info)) print_row("NAME", "OFFICIAL", "DESCRIPTION", "STARS", options.whole_text);
  try {
    for (int count = 1; count <= kMostPages; ++count) {
      registry::Page page = pages.next();
      for (const auto& item : page.items)
        print_row(printable(item.name), item.official ? "[OK]" : "----", first_line(item.description), item.stars ? cat(*item.stars) : "", options.whole_text);
      if (!page.more) return;
      if (person && !options.all_pages && !wants_more()) return;
    }
  } catch (const NetworkError& error) {
    log::warning(error.what());
  }
}

void list_tags(const config::Settings& settings, const std::string& expression, const RegistryOptions& options) {
  RegistryAccess access(settings, oci::parse_image_ref(expression), options);
  for (const auto& tag : access.remote().list_tags()) log::output(printable(tag));
}

}  // namespace udocker::ops
