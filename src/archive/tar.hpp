// Reading and writing tar: ustar, PAX, GNU (long names, base-256 numbers, sparse files of all kinds). Nothing in a
// header is trusted; what the names mean is the caller's business.
#pragma once
#include "archive/stream.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace udocker::archive {

struct Entry {
  enum class Type { file, hard_link, symbolic_link, character_device, block_device, directory, fifo };
  Type type = Type::file;
  std::string path;             // as in the archive, with its `./`, `..`, slashes
  std::string link;             // target of links
  std::uint64_t size = 0;       // of the file as it will be (with holes)
  std::uint32_t mode = 0;       // permission bits, 07777
  std::uint64_t uid = 0, gid = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_nsec = 0;
  std::uint32_t major = 0, minor = 0;
  std::map<std::string, std::string> xattrs;
  bool sparse = false;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> segments;  // (offset, length) of data, when sparse
};

// Goes through a tar stream once.
class TarReader {
 public:
  // Both must live longer than the reader.
  TarReader(Input& input, std::string name);

  // The next entry; false at the end of the archive. What was not read of the last one is skipped. Entries of unknown
  // type are skipped. Throws IntegrityError on anything that is no tar.
  bool next(Entry& entry);
  // The next piece of the entry's stored data (for sparse files: the segments one after the other); empty at its end.
  std::string_view data();
  // All of a small file. Throws IntegrityError when it is larger than `limit`.
  std::string text(const Entry& entry, std::uint64_t limit);
  // Reads on to the end of the stream after next() was false, so that digests over it see all.
  void drain();

 private:
  bool block(char* out);                      // one 512-byte block; false at the end of input
  void need_block(char* out);
  std::string read_meta(std::uint64_t size);  // contents of an extended header
  void skip_rest();
  void take_global(const std::string& records);
  void read_old_sparse(Entry& entry, const char* header);
  void read_sparse_map(Entry& entry);
  [[noreturn]] void bad(std::string_view why) const;

  Input& input_;
  std::string name_;
  std::string_view piece_;
  std::uint64_t left_ = 0, padding_ = 0, meta_ = 0;
  std::map<std::string, std::string> global_;
  bool any_ = false, ended_ = false;
};

// Writes a tar stream: ustar headers, PAX records only where ustar cannot say it.
class TarWriter {
 public:
  explicit TarWriter(Output& output) : output_(output) {}
  // Begins an entry; a file's `entry.size` bytes follow by write(); of a sparse one the segments
  // one after the other.
  void add(const Entry& entry);
  void write(std::string_view bytes);
  // A whole regular file.
  void add_file(const std::string& path, std::string_view content, std::int64_t mtime = 0, std::uint32_t mode = 0644);
  // Two zero blocks; call it once at the end.
  void finish();

 private:
  void header(const Entry& entry, char type, std::uint64_t size, const std::string& path, const std::string& link);

  Output& output_;
  std::uint64_t left_ = 0, padding_ = 0;
};

}  // namespace udocker::archive
