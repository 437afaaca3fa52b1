// Where save and export write: a file that appears when it is whole, a pipe, or stdout.
#pragma once
#include "archive/stream.hpp"
#include "util/file.hpp"
#include "util/progress.hpp"

#include <memory>
#include <optional>
#include <string>

namespace udocker::ops {

class ArchiveOutput : public archive::Output {
 public:
  enum class Existing { refuse, replace };
  // `path` "-" is stdout; throws UsageError when that is a terminal. A device or pipe is written to as it is.
  // Throws Error "output file already exists" for a file unless it may be replaced.
  ArchiveOutput(const std::string& path, Existing existing, std::string what, std::optional<std::uint64_t> total = {});
  void write(std::string_view bytes) override;
  // Writes out what is held back; the file becomes visible.
  void commit();
  // The descriptor behind it, all written bytes having reached it.
  int flushed_fd();
  const std::string& name() const { return name_; }
  Progress& progress() { return progress_; }

 private:
  void flush();
  void show_file();
  void copy_file();  // where an unnamed file cannot get a name

  std::string name_, held_;
  Existing existing_;
  std::unique_ptr<AtomicFile> file_;  // where the file system has no unnamed files
  UniqueFd owned_;
  bool is_unnamed_ = false;           // owned_ is a file without a name yet
  int fd_ = -1;
  Progress progress_;
};

}  // namespace udocker::ops
