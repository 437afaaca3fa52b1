#include "store/directories.hpp"

#include "util/file.hpp"
#include "util/strings.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace udocker::store {

Directories Directories::below(const std::string& top_given) {
  std::string top = absolute_path(top_given);
  auto sub = [&](const char* name) { return top == "/" ? cat("/", name) : cat(top, "/", name); };
  return {top, sub("repos"), sub("layers"), sub("containers"), sub("bin"), sub("lib"), sub("doc")};
}

std::string Directories::staging() const {
  struct stat ours {};
  ::stat(containers.c_str(), &ours);
  for (const std::string& place : {top, path_dirname(containers)}) {
    struct stat st {};
    if (::stat(place.c_str(), &st) == 0 && st.st_dev == ours.st_dev && ::access(place.c_str(), W_OK) == 0)
      return place + "/.staging";
  }
  return containers + "/.staging";
}

}  // namespace udocker::store
