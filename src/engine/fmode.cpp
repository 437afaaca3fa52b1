#include "engine/fmode.hpp"

#include "engine/fmode_parts.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <ctime>
#include <memory>

namespace udocker::engine {

namespace {

bool is_f(Mode mode) { return family_of(mode) == Family::preload; }
bool wants_loader(Mode mode) { return mode == Mode::F2 || mode == Mode::F3 || mode == Mode::F4; }
bool wants_files(Mode mode) { return mode == Mode::F3 || mode == Mode::F4; }

std::string note(const std::string& container_dir, const char* name) {
  return std::string(trim(find_file(cat(container_dir, "/", name), 1 << 20).value_or("")));
}

// What writers of the container's small files leave when they are killed.
void remove_leftovers(const std::string& container_dir) {
  constexpr const char* kNames[] = {".root.path.", ".ld.so.path.", ".ld.so.orig.", ".ld.lib.dirs.", ".patch.path.", ".patch.time.", ".execmode."};
  for (const std::string& name : list_directory(container_dir))
    for (const char* start : kNames)
      if (name.starts_with(start) && name.ends_with(".tmp")) remove_file(cat(container_dir, "/", name));
}

struct Change {
  std::string container_dir, root, old_root, patch_path;
  FmodeOptions options;
  Times times = Times::found;
  TreeScan scan;
  FmodeReport report;
  std::unique_ptr<Pending> pending;

  void run(FmodeStep step) {
    switch (step) {
      case FmodeStep::restore_files: {
        std::vector<std::string> prefixes = {root};
        if (!patch_path.empty()) prefixes.push_back(patch_path + "/ROOT");
        if (!old_root.empty()) prefixes.push_back(old_root);
        report.files += restore_files(container_dir, root, scan.programs, prefixes, options.threads, times, report.failures);
        if (!report.failures.empty()) break;
        for (const char* name : {"/patch.time", "/patch.path", "/patch.undo"}) remove_file(container_dir + name);
        break;
      }
      case FmodeStep::restore_loader: restore_loader(container_dir, root, times); break;
      case FmodeStep::restore_links: report.links += restore_links(root, old_root, scan.links, *pending, report.failures); break;
      case FmodeStep::turn_links: report.links += turn_links(root, old_root, scan.links, *pending, report.failures); break;
      case FmodeStep::list_libraries: {
        std::vector<std::string> dirs;
        for (const std::string& directory : scan.library_dirs) dirs.push_back(cat(root, "/", directory));
        make_file(container_dir + "/ld.lib.dirs", join(dirs, ":"));
        break;
      }
      case FmodeStep::patch_loader: patch_loader(container_dir, root); break;
      case FmodeStep::patch_files:
        // Written first: whoever finds the tree half patched knows it by this file.
        make_file(container_dir + "/patch.path", real_path(container_dir));
        static_cast<void>(find_guest_loader(container_dir));
        report.files += patch_files(container_dir, root, scan.programs, options.threads, report.failures);
        make_file(container_dir + "/patch.time", cat(static_cast<std::int64_t>(std::time(nullptr))));
        break;
    }
  }
};

}  // namespace

FmodeState load_fmode_state(const std::string& container_dir) {
  const auto has = [&](const char* name) { return path_exists(container_dir + name); };
  return {has("/patch.time") || has("/patch.path") || has("/patch.undo"), has("/ld.so.orig"), has("/ld.lib.dirs"),
          has("/fmode.pending")};
}

std::vector<FmodeStep> plan_fmode(Mode from, Mode to, const FmodeState& state, bool force) {
  std::vector<FmodeStep> steps;
  const bool again = force || state.interrupted;
  const bool files = wants_files(from) || state.files_patched, loader = wants_loader(from) || state.loader_patched;
  // Files that a killed change left half written are made whole before anything reads them.
  if (files && (!wants_files(to) || state.interrupted)) steps.push_back(FmodeStep::restore_files);
  if (loader && !wants_loader(to)) steps.push_back(FmodeStep::restore_loader);
  if (!is_f(to)) {
    if (is_f(from) || again) steps.push_back(FmodeStep::restore_links);
    return steps;
  }
  if (!is_f(from) || again) steps.push_back(FmodeStep::turn_links);
  if (!state.libraries_listed || !is_f(from) || again) steps.push_back(FmodeStep::list_libraries);
  if (wants_loader(to) && (!wants_loader(from) || again)) steps.push_back(FmodeStep::patch_loader);
  if (wants_files(to) && (!wants_files(from) || again)) steps.push_back(FmodeStep::patch_files);
  return steps;
}

FmodeReport change_fmode(const std::string& container_dir, Mode from, Mode to, const FmodeOptions& options) {
  Change change;
  change.container_dir = real_path(container_dir);
  change.root = real_path(change.container_dir + "/ROOT");
  change.old_root = note(change.container_dir, "root.path");
  change.patch_path = note(change.container_dir, "patch.path");
  change.options = options;
  const FmodeState state = load_fmode_state(change.container_dir);
  std::vector<FmodeStep> steps = plan_fmode(from, to, state, options.force);
  const bool moved = (!change.old_root.empty() && change.old_root != change.root) ||
                     (!change.patch_path.empty() && change.patch_path != change.container_dir);
  if (moved && is_f(to)) {
    FmodeState all = state;
    all.interrupted = true;
    steps = plan_fmode(from, to, all, true);
  }
  if (!steps.empty()) {
    if (state.interrupted) {
      remove_leftovers(change.container_dir);
      change.times = Times::recorded;
    }
    change.pending = std::make_unique<Pending>(change.container_dir + "/fmode.pending", cat(mode_name(from), " ", mode_name(to)));
    change.scan = scan_tree(change.root, options.threads);
    for (const FmodeStep step : steps) {
      try {
        change.run(step);
      } catch (const Error& error) {
        if (!options.force) throw;
        change.report.failures.emplace_back(error.what());
      }
    }
    if (!change.report.failures.empty() && !options.force) throw Error(change.report.failures.front());
    change.pending->finish();
  }
  make_file(change.container_dir + "/root.path", change.root);
  return std::move(change.report);
}

bool fmode_needs_repair(const std::string& container_dir, Mode mode) {
  const FmodeState state = load_fmode_state(container_dir);
  return state.interrupted || (state.files_patched && !wants_files(mode)) || (state.loader_patched && !wants_loader(mode));
}

bool fmode_was_moved(const std::string& container_dir, Mode mode) {
  if (!is_f(mode)) return false;
  const std::string root = note(container_dir, "root.path"), patched = note(container_dir, "patch.path");
  if (!root.empty() && root != real_path(container_dir + "/ROOT")) return true;
  return wants_files(mode) && !patched.empty() && patched != real_path(container_dir);
}

}  // namespace udocker::engine
