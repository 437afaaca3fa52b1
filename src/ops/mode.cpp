#include "ops/mode.hpp"

#include "engine/auto_mode.hpp"
#include "host/arch.hpp"
#include "ops/session.hpp"
#include "util/error.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cstdlib>

namespace udocker::ops {

// The mode that a list of machines and modes gives to this machine; "" when it says nothing.
static std::string mode_for_machine(const config::List& list) {
  std::string machine = host::udocker_machine(), otherwise;
  for (std::size_t i = 0; i + 1 < list.size(); i += 2) {
    if (list[i] == machine) return list[i + 1];
    if (list[i] == "DEFAULT") otherwise = list[i + 1];
  }
  return otherwise;
}

engine::Mode default_mode(const config::Settings& settings) {
  std::string text = settings.override_default_execution_mode;
  if (text.empty()) text = settings.default_execution_mode;
  if (text.empty()) text = mode_for_machine(settings.default_execution_modes);
  if (text.empty()) return engine::Mode::P1;
  if (to_lower(text) == "auto") {
    const char* path = std::getenv("PATH");
    bool apptainer = path && (find_program("apptainer", path) || find_program("singularity", path));
    return engine::best_mode(engine::judge_modes(engine::cached_probes(settings.libdir), apptainer));
  }
  auto mode = engine::find_mode(text);
  if (!mode) throw Error(cat("invalid execmode: ", printable(text), " (there are: auto ", engine::mode_names(), ")"));
  return *mode;
}

engine::Mode choose_mode(Session& session, const RunOptions& options, const std::optional<store::Container>& container) {
  std::string once = options.execmode;
  if (const char* forced = std::getenv("UDOCKER_SET_EXECUTION_MODE"); once.empty() && forced) once = forced;
  std::string recorded = container ? container->execmode().value_or("") : "";
  engine::Mode kept = engine::find_mode(recorded).value_or(engine::Mode::P1);
  if (once.empty()) return engine::find_mode(recorded) ? kept : default_mode(session.settings());
  config::Settings settings = session.settings();
  settings.override_default_execution_mode = once;
  engine::Mode mode = default_mode(settings);
  auto patched = [](engine::Mode m) { return m == engine::Mode::F2 || m == engine::Mode::F3 || m == engine::Mode::F4; };
  bool needs_setup = kept != mode && (patched(mode) || engine::family_of(kept) == engine::Family::preload);
  // A container that was changed for a mode works in that one.
  if (needs_setup && to_lower(once) == "auto") return kept;
  if (needs_setup)
    throw Error(cat("mode ", engine::mode_name(mode), " needs changes in this container: run `udocker setup --execmode=",
                    engine::mode_name(mode), " ", container ? container->id() : options.target, "` first"));
  return mode;
}

}  // namespace udocker::ops
