// What every command needs: settings, and the local repository opened when it is first asked for.
#pragma once
#include "cli/applet.hpp"
#include "config/settings.hpp"
#include "store/repository.hpp"

#include <optional>

namespace udocker::ops {

class Session {
 public:
  // Reads the settings and sets the log level. Touches nothing else.
  explicit Session(const cli::Arguments& args);

  const config::Settings& settings() const { return settings_; }
  // Opens the repository; the default one is made when it is missing, one asked for by --repo must exist.
  // Collects what killed commands left behind, once, when there is something.
  store::Repository& repository();
  // From here on the settings are those for this container: its container.conf counts, when it has one.
  void enter(const store::Container& container);

 private:
  const cli::Arguments& args_;
  config::Settings settings_;
  bool must_exist_;
  std::optional<store::Repository> repository_;
};

// The repository's places as the settings name them.
store::Directories directories_of(const config::Settings& settings);

}  // namespace udocker::ops
