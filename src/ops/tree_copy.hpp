// Copying a container's directory with all that belongs to it.
#pragma once
#include "util/progress.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace udocker::ops {

struct CopyResult {
  std::uint64_t files = 0, bytes = 0, shared = 0;  // shared: files whose blocks the file system shares (reflink)
};

// Copies what is in the container directory `from` to the existing directory `to`, in which only an empty ROOT may be.
// Hard links, holes, modes, times and extended attributes are kept; owners kept in the side store are written into a
// store for the copy. Sockets are left out. Files are copied by several threads; `tick` is called now and then by the
// caller's. Throws SystemError; `to` then holds a part.
CopyResult copy_container_tree(const std::string& from, const std::string& to, Progress& progress, const std::function<void()>& tick);

}  // namespace udocker::ops
