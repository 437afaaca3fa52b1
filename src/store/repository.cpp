#include "store/repository.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

namespace udocker::store {

bool Repository::exists(const Directories& dirs) {
  for (const auto* part : {&dirs.repos, &dirs.layers, &dirs.containers, &dirs.bin, &dirs.lib})
    if (!is_directory(*part)) return false;
  return true;
}

Repository Repository::open(const Directories& dirs) {
  if (!exists(dirs)) throw Error(cat("invalid udocker repository: ", dirs.top));
  return Repository(dirs);
}

Repository Repository::create(const Directories& dirs) {
  for (const auto* part : {&dirs.top, &dirs.repos, &dirs.layers, &dirs.containers, &dirs.bin, &dirs.lib, &dirs.doc})
    make_directories(*part);
  return Repository(dirs);
}

}  // namespace udocker::store
