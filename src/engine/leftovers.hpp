// What runs of the Python tool leave in a container: file binds of its R modes and recorded mount points
// (compatibility spec 2.4, 6.4, 6.13). Our own runs leave nothing.
#pragma once
#include <string>

namespace udocker::engine {

// True when originals that such a run has moved away are kept in .bind_orig_files.
bool has_file_binds(const std::string& container_dir);

// Puts the originals kept in .bind_orig_files back: a link in ROOT is replaced by the original, anything else that
// stands there is kept and the original dropped. Can be called again after having been killed. Returns how many files
// came back.
int restore_file_binds(const std::string& container_dir);

// Deletes the mount points that .mountpoints records, upward to their recorded ancestor as far as they are empty, and
// then the records. A file that is not empty, or is not a mount point any more, stays. Returns how many went.
int purge_mountpoints(const std::string& container_dir);

}  // namespace udocker::engine
