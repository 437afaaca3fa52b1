// Much written and durable at the end: the disk works while the rest is still being made.
#pragma once
#include "util/fd.hpp"
#include "util/periodic.hpp"

#include <string>

namespace udocker {

// While it lives, what is written on the file system of `path` goes to its disk a few times a second (syncfs(2)), in a
// thread of its own (or only at the end, where it may have none). A command that ends sooner costs nothing.
class WriteBack {
 public:
  explicit WriteBack(std::string path);
  WriteBack(const WriteBack&) = delete;
  WriteBack& operator=(const WriteBack&) = delete;
  // Everything on the file system is durable when this returns. Throws SystemError naming `path` when some of it was
  // lost since the beginning: a full disk or quota may show only then. A file system that cannot say is trusted.
  void finish();

 private:
  void sync();

  std::string path_;
  UniqueFd fd_;    // one for all: the kernel tells a lost write once to each open file
  int error_ = 0;  // the first
  Periodic syncs_;
};

}  // namespace udocker
