// Going through a directory tree by descriptors: never through a link, on one file system, in bounded memory.
#pragma once
#include <string>

#include <sys/stat.h>

namespace udocker::ops {

struct WalkEntry {
  int dir = -1;         // of the directory it is in; for the root itself AT_FDCWD, and `name` is its path
  std::string name;
  std::string path;     // from the root: "" for itself, else "a/b"
  struct stat status {};
  bool is_mount = false;  // a directory on another file system: it is not gone into
};

class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // A directory, before what is in it; false leaves it out.
  virtual bool enter(const WalkEntry& entry) = 0;
  // The same one afterwards, unless left out. `entry.status` is as before.
  virtual void leave(const WalkEntry& entry) = 0;
  virtual void visit(const WalkEntry& entry) = 0;  // everything else
};

// Sorted by name within a directory; one with more than 8 MiB of names is sorted in pieces of that size.
enum class WalkOrder { sorted, as_found };

// Visits the tree at `root`, the root included. Entries that vanish meanwhile are passed over. Directories that their
// owner may not read are opened up and given their mode back. Throws SystemError naming what cannot be read.
void walk_tree(const std::string& root, WalkOrder order, TreeVisitor& visitor);

}  // namespace udocker::ops
