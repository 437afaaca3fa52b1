// One look at a container's tree for the F modes.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace udocker::engine {

struct ScannedLink {
  std::string path;    // relative to the root, without leading slash
  std::string target;  // absolute
};

struct TreeScan {
  std::vector<ScannedLink> links;           // absolute links owned by the user
  std::vector<std::string> programs;        // regular files of the user that may be ELF files, one name per inode
  std::vector<std::string> library_dirs;    // directories with lib*.so*
};

unsigned fmode_threads(unsigned wanted);

// Walks `root` with several threads, on its own file system, without following links. Results are sorted.
// Directories that cannot be read are skipped. Throws SystemError when `root` itself cannot be opened.
TreeScan scan_tree(const std::string& root, unsigned threads);

// Calls work(i) for all i < count from several threads. The first exception is thrown again at the end.
void for_each_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work);

// lib*.so, lib*.so.1, lib*.so.1.2 …
bool is_library_name(const std::string& name);

}  // namespace udocker::engine
