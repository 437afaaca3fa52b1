// Messages for people go to stderr, results to stdout. The level is the only mutable global of the program.
#pragma once
#include <string_view>

namespace udocker::log {

// Numbers are those of UDOCKER_LOGLEVEL and `verbose_level`.
enum class Level { nil = -1, error = 0, message = 1, warning = 2, info = 3, verbose = 4, debug = 5 };

void set_level(Level level);
Level level();
inline bool enabled(Level wanted) { return level() >= wanted; }

// UDOCKER_LOG=registry:debug,engine:trace raises single modules to debug whatever the level is.
void set_modules(std::string_view specification);

void error(std::string_view text);    // "Error: text"
void warning(std::string_view text);  // "Warning: text"
void info(std::string_view text);     // "Info: text"
void verbose(std::string_view text);  // bare text, from level 4
void debug(std::string_view module, std::string_view text);  // "Debug: module: text"

// One line of a command's result on stdout, from level 1 (level 0 shows errors only); a write error (closed pipe, full disk) throws SystemError at flush().
void output(std::string_view line);
// Flushes stdout; called before a container starts and at the end of main.
void flush();

}  // namespace udocker::log
