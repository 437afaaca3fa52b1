// ELF files on disk: mapping or reading whole files, and writing an edited one over the old without a new inode.
#pragma once
#include "elf/codec.hpp"
#include "util/fd.hpp"

#include <string>

#include <sys/stat.h>

namespace udocker::elf {

// The whole file. Throws SystemError; IntegrityError when it is no regular file or larger than 4 GiB.
Bytes load_bytes(const std::string& path);

enum class Links { follow, refuse };

// A file's bytes without reading them all; empty for what cannot be read or is no ELF file. What is cut off the file
// meanwhile must not be looked at.
class Mapped {
 public:
  Mapped(const std::string& path, Links links);
  ~Mapped();
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ByteView bytes() const { return bytes_; }

 private:
  ByteView bytes_;
};

// A file open for writing in place, locked against other patchers. One without write permission is opened up for the
// moment when it is ours. Everything throws SystemError.
class OpenForChange {
 public:
  explicit OpenForChange(std::string path);
  ~OpenForChange();
  OpenForChange(const OpenForChange&) = delete;
  OpenForChange& operator=(const OpenForChange&) = delete;
  int fd() const { return fd_.get(); }
  const struct stat& before() const { return before_; }  // as it was found
  void write(ByteView bytes, std::uint64_t offset) const;

 private:
  std::string path_;
  UniqueFd fd_;
  struct stat before_;
  bool opened_up_ = false;
};

// Changes the file from `before` (its present content) to `after`: inode, mode and owner stay, times change. What
// has been added is written first and cut off again when that fails, so that a full disk leaves the old file.
// Throws SystemError.
void store_in_place(const std::string& path, ByteView before, ByteView after);

}  // namespace udocker::elf
