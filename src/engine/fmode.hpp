// What modes F1 to F4 change in a container's tree, and its exact reversal. Formats are those of the Python tool
// (root.path, ld.so.path, ld.so.orig, ld.lib.dirs, patch.time, patch.path); patch.undo is ours and only adds exactness.
//
//   links   absolute symbolic links point into ROOT by host paths            F1 F2 F3 F4
//   loader  the guest's loader ignores the host's directories and cache         F2 F3 F4
//   files   names inside ELF files carry ROOT as prefix                            F3 F4
#pragma once
#include "engine/plan.hpp"

#include <optional>
#include <string>
#include <vector>

namespace udocker::engine {

enum class FmodeStep { restore_files, restore_loader, restore_links, turn_links, list_libraries, patch_loader, patch_files };

// What the container's tree shows, whatever its recorded mode says.
struct FmodeState {
  bool files_patched = false;   // patch.time, patch.path or patch.undo exists
  bool loader_patched = false;  // ld.so.orig exists
  bool libraries_listed = false;
  bool interrupted = false;     // an earlier change did not come to its end
};

struct FmodeOptions {
  bool force = false;      // do all steps of the wanted mode again; go on after a failed step
  unsigned threads = 0;    // 0: as many as the machine has, eight at most
};

struct FmodeReport {
  std::size_t links = 0, files = 0;        // how many were changed
  std::vector<std::string> failures;       // one sentence each, for files that had to be left alone
};

FmodeState load_fmode_state(const std::string& container_dir);
// The steps from `from` to `to`, in order. Pure.
std::vector<FmodeStep> plan_fmode(Mode from, Mode to, const FmodeState& state, bool force);

// Changes ROOT of the container for mode `to` and writes root.path; the caller writes `execmode` afterwards. Can be
// called again after having been killed at any point, with the same or another mode. Changes of one file are never
// half done. Throws Error when a step cannot be done (unless forced); what single files refuse is in the report.
FmodeReport change_fmode(const std::string& container_dir, Mode from, Mode to, const FmodeOptions& options = {});

// True when a change did not come to its end, or the tree shows more than the container's mode asks for. change_fmode
// from and to that mode puts it right.
bool fmode_needs_repair(const std::string& container_dir, Mode mode);

// True when an F container was moved since it was set up, so that its paths lead nowhere.
bool fmode_was_moved(const std::string& container_dir, Mode mode);

// Guest path of the container's loader (ld.so.path, made when it is missing); nothing when no program has one.
std::optional<std::string> find_guest_loader(const std::string& container_dir);
// Host path of a guest path below `root`; links are followed inside, also those that were turned to host paths.
// Nothing when it does not exist.
std::optional<std::string> find_in_root(const std::string& root, const std::string& guest_path);
// Directories with libraries, host paths joined by ':' (ld.lib.dirs, made when it is missing).
std::string load_library_dirs(const std::string& container_dir);
// The search path for the guest's loader: usual directories, those of its ld.so.cache, then all others with libraries.
// Host paths joined by ':'.
std::string fmode_library_path(const std::string& container_dir);
// The directories named in the content of a guest's ld.so.cache, guest paths in order. Pure.
std::vector<std::string> cached_library_dirs(const std::string& cache);

}  // namespace udocker::engine
