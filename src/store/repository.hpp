// A store: the directory that holds images and containers. Its layout is shared with the Python tool.
#pragma once
#include "store/blobs.hpp"
#include "store/containers.hpp"
#include "store/directories.hpp"
#include "store/images.hpp"

namespace udocker::store {

class Repository {
 public:
  // Throws Error "invalid udocker repository: TOP" when a part is missing.
  static Repository open(const Directories& dirs);
  // Makes all missing directories and opens. Racing makers are fine.
  static Repository create(const Directories& dirs);
  static bool exists(const Directories& dirs);

  const Directories& directories() const { return dirs_; }
  const Blobs& blobs() const { return blobs_; }
  const Images& images() const { return images_; }
  const Containers& containers() const { return containers_; }

 private:
  explicit Repository(const Directories& dirs) : dirs_(dirs), blobs_(dirs), images_(dirs), containers_(dirs) {}
  Directories dirs_;
  Blobs blobs_;
  Images images_;
  Containers containers_;
};

}  // namespace udocker::store
