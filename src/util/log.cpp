#include "util/log.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

namespace udocker::log {

namespace {
Level g_level = Level::info;
std::vector<std::string> g_debug_modules;

void write_line(std::string_view prefix, std::string_view text) {
  std::string line = cat(prefix, text, "\n");
  std::string_view rest = line;
  while (!rest.empty()) {  // one write per line: lines of parallel tasks do not mix
    ssize_t done = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (done <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
}
}  // namespace

void set_level(Level level) { g_level = level; }
Level level() { return g_level; }

void set_modules(std::string_view specification) {
  g_debug_modules.clear();
  for (const auto& item : split(specification, ','))
    if (auto parts = split(item, ':'); parts.size() == 2 && (parts[1] == "debug" || parts[1] == "trace"))
      g_debug_modules.push_back(parts[0]);
}

void error(std::string_view text) {
  if (enabled(Level::error)) write_line("Error: ", text);
}
void warning(std::string_view text) {
  if (enabled(Level::warning)) write_line("Warning: ", text);
}
void info(std::string_view text) {
  if (enabled(Level::info)) write_line("Info: ", text);
}
void verbose(std::string_view text) {
  if (enabled(Level::verbose)) write_line("", text);
}
void debug(std::string_view module, std::string_view text) {
  bool wanted = enabled(Level::debug);
  for (const auto& name : g_debug_modules) wanted = wanted || name == module;
  if (wanted) write_line(cat("Debug: ", module, ": "), text);
}

void output(std::string_view line) {
  if (!enabled(Level::message)) return;
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

void flush() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    std::clearerr(stdout);
    throw_errno("write", "standard output");
  }
}

}  // namespace udocker::log
