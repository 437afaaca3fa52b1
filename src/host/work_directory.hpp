// Folders for the work directories of overlays, beside the root they belong to and gone when the container has ended.
#pragma once
#include "util/fd.hpp"

#include <cstddef>
#include <string>
#include <utility>

namespace udocker::host {

class WorkDirectory {
 public:
  WorkDirectory() = default;
  // Makes one in `parent`, after those that killed processes left there are gone. Where none can be made, path() is "".
  explicit WorkDirectory(const std::string& parent);
  ~WorkDirectory();
  WorkDirectory(WorkDirectory&& other) noexcept : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
  WorkDirectory& operator=(WorkDirectory&&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  UniqueFd lock_;  // shared, held as long as it is in use: other hosts and other pid namespaces see it
};

// Deletes those in `parent` whose process is gone. Returns how many.
std::size_t collect_work_directories(const std::string& parent);

}  // namespace udocker::host
