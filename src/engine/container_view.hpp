// The container's files as its programs will see them, for checks before the start: links stay inside, binds count.
#pragma once
#include "engine/plan.hpp"

#include <optional>
#include <string>
#include <vector>

namespace udocker::engine {

class ContainerView {
 public:
  ContainerView(std::string root, std::vector<Bind> binds) : root_(std::move(root)), binds_(std::move(binds)) {}

  // Host path of a guest path with all links followed inside the container; nothing when it does not exist,
  // or its links run in a circle.
  std::optional<std::string> find(const std::string& guest_path) const;
  // Guest path with links followed, for the part that exists; the rest is kept as it is.
  std::string canonical(const std::string& guest_path) const;
  bool is_directory(const std::string& guest_path) const;
  // A regular file with an execute bit.
  bool is_executable(const std::string& guest_path) const;
  // Up to 1 MiB of a regular file.
  std::optional<std::string> read(const std::string& guest_path) const;

 private:
  // Host path of a guest path whose parents are free of links.
  std::string host_of(const std::string& guest_path) const;

  std::string root_;
  std::vector<Bind> binds_;
};

// `.` and `..` folded, repeated and trailing slashes removed; the path is taken as absolute.
std::string normal_guest_path(std::string_view path);

}  // namespace udocker::engine
