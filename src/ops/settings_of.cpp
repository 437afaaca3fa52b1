#include "ops/settings_of.hpp"

#include "util/log.hpp"

namespace udocker::ops {

config::Settings settings_of(const cli::Arguments& args, const std::string& container_file) {
  const cli::Arguments& general = args.general();
  config::Sources sources;
  sources.repo = general.value_or("repo", "");
  sources.container_file = container_file;
  sources.config_file = general.value_or("config", "");
  sources.insecure = general.has("insecure");
  sources.debug = general.has("debug");
  sources.quiet = general.has("quiet");
  config::Settings settings = config::load_settings(sources);
  log::set_level(static_cast<log::Level>(settings.verbose_level));
  return settings;
}

config::Settings settings_of(const cli::Arguments& args) { return settings_of(args, ""); }

}  // namespace udocker::ops
