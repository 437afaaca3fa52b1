// patch.undo: what ELF files looked like before modes F3 and F4 changed them.
#pragma once
#include "elf/codec.hpp"
#include "util/fd.hpp"

#include <string>
#include <vector>

namespace udocker::engine {

// A run of bytes as it was and as it became. Behind the end of the old file `before` is empty.
struct UndoExtent {
  std::uint64_t offset = 0;
  elf::Bytes before, after;
};

struct UndoRecord {
  std::string path;  // relative to ROOT
  std::uint64_t old_size = 0, new_size = 0;
  std::vector<UndoExtent> extents;
  std::int64_t times[4] = {};  // seconds and nanoseconds of access and change, as they were; zero: unknown
};

// What turns `before` into `after`. Pure.
UndoRecord make_undo(std::string path, elf::ByteView before, elf::ByteView after);
// Makes the file at `path` the new or the old one by writing only what differs: inode, mode, owner and times stay. What
// is added is written first and cut off again when that fails. Throws SystemError.
void write_new(const std::string& path, const UndoRecord& record);
// With Times::recorded the file gets those of the record, because a killed change has left others.
// False, and nothing written, when the file is not the one of the record any more: it must hold the new bytes, the old
// ones, or what a killed change left of both.
enum class Times { found, recorded };
bool write_old(const std::string& path, const UndoRecord& record, Times times = Times::found);

// Appends whole records; several threads may add at once. A record is in the file before add() returns.
class UndoWriter {
 public:
  explicit UndoWriter(const std::string& path);
  void add(const UndoRecord& record);

 private:
  std::string path_;
  UniqueFd fd_;
};

// All whole records, oldest first; what a killed writer left at the end is ignored. Empty when there is no file.
std::vector<UndoRecord> load_undo(const std::string& path);

}  // namespace udocker::engine
