// The memory that all processes of a container share, and the file of the runtime they execute.
#pragma once
#include "embedded/trap/filter.hpp"
#include "guest/cache.hpp"
#include "util/fd.hpp"

#include <string>

namespace udocker::trap {

// A file that can be executed: kept under a name in a folder where that works, else a memfd of this process, which
// must then stay for as long as the container.
struct RuntimeFile {
  std::string path;
  UniqueFd memory;
};

// Unpacks the carried runtime into `folder` (once, atomically). Throws NotSupported when this build carries none
// or nowhere may a file be executed.
RuntimeFile unpack_runtime(const std::string& folder);

struct Shared {
  std::string path;  // by which other processes open it
  UniqueFd memory;
  void* base = nullptr;
  const guest::View& view() const;
};

// Lays out abi.hpp's Settings in a memfd of this process. `cache` is the folder of patched copies; empty: T2.
// `root_fd` is the number under which the first process will hold ROOT open; -1: it will not.
Shared make_shared(const std::vector<char>& view, const std::string& runtime, const std::string& cache, int root_fd);

}  // namespace udocker::trap
