// patch.undo: what ELF files looked like before modes F3 and F4 changed them.
#pragma once
#include "elf/codec.hpp"
#include "util/fd.hpp"

#include <optional>
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
};

// What turns `before` into `after`. Pure.
UndoRecord make_undo(std::string path, elf::ByteView before, elf::ByteView after);
// The old bytes again, from those of a file that holds the new ones, the old ones, or what a killed change left of
// both. Nothing when the file has become another one since. Pure.
std::optional<elf::Bytes> undo(const UndoRecord& record, elf::ByteView now);

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
