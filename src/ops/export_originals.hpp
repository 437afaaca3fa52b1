// What execution modes changed in a container's ROOT, as it was before: for exporting it without them.
#pragma once
#include "engine/fmode_undo.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace udocker::ops {

class Originals {
 public:
  Originals() = default;  // of a tree that was not changed
  // `temporary_dir` is for copies of single programs. Warns about what cannot be undone here.
  Originals(const std::string& container_dir, const std::string& temporary_dir);

  // The target that a link had.
  std::string link_target(const std::string& target) const;
  // A file to be taken in place of the one at `path` below ROOT, which may also have become a link; an invalid descriptor when
  // what is there is right. Throws SystemError.
  UniqueFd open_original(const std::string& path) const;
  bool leaves_out(const std::string& path) const { return has_binds_ && path == ".bind_host_files"; }

 private:
  std::string root_, old_root_;
  bool has_turned_links_ = false, has_binds_ = false;
  std::map<std::string, std::string> replaced_;  // path below ROOT to the file with its content
  std::vector<engine::UndoRecord> undo_;
  std::map<std::string, std::vector<std::size_t>> undo_of_;  // by path below ROOT, oldest first
  std::shared_ptr<TempDir> temporary_;
};

}  // namespace udocker::ops
