#include "ops/setup.hpp"

#include "engine/auto_mode.hpp"
#include "engine/fmode.hpp"
#include "engine/leftovers.hpp"
#include "host/fix_permissions.hpp"
#include "ops/nvidia.hpp"
#include "ops/mode.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker::ops {

using engine::Family;
using engine::Mode;

namespace {

Mode current_mode(Session& session, const store::Container& container) {
  auto text = container.execmode();
  auto mode = text ? engine::find_mode(*text) : std::nullopt;
  return mode ? *mode : default_mode(session.settings());
}

Mode wanted_mode(Session& session, const std::string& text) {
  if (to_lower(text) != "auto") {
    auto mode = engine::find_mode(text);
    if (!mode) throw UsageError(cat("invalid execmode: ", printable(text), " (there are: auto ", engine::mode_names(), ")"));
    return *mode;
  }
  config::Settings settings = session.settings();
  settings.override_default_execution_mode = "auto";
  return default_mode(settings);
}

void change_mode(Session& session, const store::Container& container, const SetupOptions& options) {
  if (container.is_protected()) throw Error("container is protected");
  Mode wanted = wanted_mode(session, options.execmode), now = current_mode(session, container);
  std::string recorded = container.execmode().value_or("");
  bool moved = engine::fmode_was_moved(container.directory(), now);
  bool displaced = engine::has_file_binds(container.directory());  // by the Python tool in an R mode
  bool as_wanted = now == wanted && !options.force && !moved && !engine::fmode_needs_repair(container.directory(), now);
  if (as_wanted && !displaced) return;
  store::Lock lock = container.lock();
  if (displaced) engine::restore_file_binds(container.directory());
  if (as_wanted) return;
  try {
    auto report = engine::change_fmode(container.directory(), now, wanted, {.force = options.force || moved});
    for (const auto& failure : report.failures) log::warning(failure);
    if (report.links + report.files > 0) log::verbose(cat("changed ", report.links, " links and ", report.files, " files"));
  } catch (Error& error) {
    error.add_context("container setup failed");
    throw;
  }
  if (recorded != engine::mode_name(wanted)) container.set_execmode(engine::mode_name(wanted));
}

}  // namespace

void prepare_new_files(const store::Container& container) {
  auto mode = engine::find_mode(container.execmode().value_or(""));
  if (!mode || engine::family_of(*mode) != Family::preload) return;
  store::Lock lock = container.lock();
  auto report = engine::change_fmode(container.directory(), *mode, *mode, {.force = true});
  for (const auto& failure : report.failures) log::warning(failure);
}

void finish_setup(const store::Container& container) {
  const auto text = container.execmode();
  const Mode mode = engine::find_mode(text.value_or("")).value_or(Mode::P1);
  if (!engine::fmode_needs_repair(container.directory(), mode)) return;
  store::Lock lock = container.lock();
  if (!engine::fmode_needs_repair(container.directory(), mode)) return;
  log::verbose("finishing a change of mode that was interrupted");
  try {
    const auto report = engine::change_fmode(container.directory(), mode, mode, {});
    for (const auto& failure : report.failures) log::warning(failure);
  } catch (Error& error) {
    error.add_context(cat("a change of mode was interrupted: run `udocker setup --execmode=", engine::mode_name(mode), " --force ",
                          container.id(), "` first"));
    throw;
  }
}

void setup_container(Session& session, const SetupOptions& options) {
  auto container = session.repository().containers().find(options.container);
  if (!container) throw Error(cat("invalid container id ", printable(options.container), suggest_container(session, options.container)));
  if (options.purge) {
    store::Lock lock = container->lock();
    engine::restore_file_binds(container->directory());
    engine::purge_mountpoints(container->directory());
  }
  if (options.fix_permissions) host::fix_permissions(container->root());
  if (options.nvidia) {
    setup_nvidia(session, *container, options.force ? NvidiaReplace::yes : NvidiaReplace::no);
    prepare_new_files(*container);
  }
  if (options.no_nvidia) remove_nvidia(*container);
  if (!options.execmode.empty()) return change_mode(session, *container, options);
  if (options.purge || options.fix_permissions || options.nvidia || options.no_nvidia) return;
  log::output(cat("execmode: ", engine::mode_name(current_mode(session, *container))));
  log::output(cat("nvidiamode: ", has_nvidia(*container) ? "True" : "False"));
}

}  // namespace udocker::ops
