// Where the parts of a store are (compatibility spec 2.1).
#pragma once
#include <string>

namespace udocker::store {

struct Directories {
  std::string top, repos, layers, containers, bin, lib, doc;
  // Absolute paths with the usual names below `top`.
  static Directories below(const std::string& top);
  // Directory for what is being made or removed: on the containers' file system, below top when that is the same one.
  std::string staging() const;
};

}  // namespace udocker::store
