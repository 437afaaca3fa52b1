// Memory whose pages may leave: large blocks are mappings of unnamed files, so that a hostile image cannot fill the
// machine's memory, and what is not in use costs disk cache only.
#pragma once
#include "util/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace udocker {

// An unnamed file in `directory`. Throws SystemError.
UniqueFd unnamed_file(const std::string& directory);
// TMPDIR, else /var/tmp, else /tmp: a place for unnamed files where no better one is known.
std::string temporary_directory();

// Blocks of memory, zeroed; the large ones in files where files can be made. For one thread.
class ColdMemory {
 public:
  static constexpr std::size_t kLarge = 12u << 20;

  explicit ColdMemory(std::string directory = temporary_directory()) : directory_(std::move(directory)) {}
  ~ColdMemory();
  ColdMemory(const ColdMemory&) = delete;
  ColdMemory& operator=(const ColdMemory&) = delete;
  void* allocate(std::size_t size) noexcept;  // null when there is none
  void release(void* block) noexcept;
  // Lets the pages of large blocks go; their contents stay. Call it after each few megabytes of work.
  void relax() noexcept;
  bool has_large() const { return !files_.empty(); }

 private:
  std::string directory_;
  std::map<void*, std::size_t> files_;
};

// Bytes that are only added to and read later: in memory while they are few, then in an unnamed file. For one thread.
class Journal {
 public:
  explicit Journal(std::string directory = temporary_directory()) : directory_(std::move(directory)) {}
  // Returns where it begins. Throws SystemError.
  std::uint64_t append(std::string_view bytes);
  std::string read(std::uint64_t at, std::size_t size) const;  // throws SystemError
  std::uint64_t size() const { return written_ + held_.size(); }
  void clear();

 private:
  void flush();
  static constexpr std::size_t kHeld = 2u << 20;
  std::string directory_, held_;
  UniqueFd fd_;
  std::uint64_t written_ = 0;
};

// Goes through a journal of texts, each written by put().
class JournalReader {
 public:
  explicit JournalReader(const Journal& journal) : journal_(journal) {}
  bool next(std::string& text);  // false at the end

 private:
  const Journal& journal_;
  std::string buffer_;
  std::uint64_t at_ = 0;
  std::size_t used_ = 0;
};
void put(Journal& journal, std::string_view text);

}  // namespace udocker
