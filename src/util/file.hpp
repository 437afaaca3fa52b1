// Whole files, atomic replacement, temporary folders, locks. Paths are host paths as bytes.
#pragma once
#include "util/fd.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker {

// Throws SystemError when missing; IntegrityError when larger than `limit` bytes.
std::string load_file(const std::string& path, std::uint64_t limit = 64u << 20);
// Nothing when the file does not exist, or is of a process that has just ended; throws SystemError on any other failure.
std::optional<std::string> find_file(const std::string& path, std::uint64_t limit = 64u << 20);
// Replaces the file atomically (temporary name beside it, fsync, rename).
void make_file(const std::string& path, std::string_view content, unsigned mode = 0666);
bool path_exists(const std::string& path);     // follows links
bool is_directory(const std::string& path);    // follows links
bool is_regular(const std::string& path);      // follows links
void make_directories(const std::string& path, unsigned mode = 0777);  // like mkdir -p
std::optional<std::string> find_link(const std::string& path);         // target of a symbolic link
std::vector<std::string> list_directory(const std::string& path);      // sorted, without . and ..; empty when missing
enum class EntryKind { file, directory, link, other };
struct DirectoryEntry {
  std::string name;
  EntryKind kind;  // links are not followed
};
std::vector<DirectoryEntry> read_directory(const std::string& path);   // the same with kinds, for one look at many entries
std::string absolute_path(const std::string& path);  // current directory put before, `.` and `..` folded textually
std::string real_path(const std::string& path);      // throws SystemError
std::string path_dirname(std::string_view path);
std::string path_basename(std::string_view path);
// Removes a file or a whole tree, never following links or leaving it; missing is success.
// Directories without owner permissions are opened up first. Throws SystemError naming the first entry that stays.
void remove_tree(const std::string& path);
void remove_file(const std::string& path);  // missing is success
// What was renamed or made in the directory is durable when this returns; a file system that cannot say so is trusted.
void sync_directory(const std::string& path);

// A file that appears under its name only when commit() is called; otherwise nothing is left.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path, unsigned mode = 0666);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  int fd() const { return fd_.get(); }
  void write(std::string_view bytes) { write_all(fd_.get(), bytes, path_); }
  void commit();  // fsync, close, rename

 private:
  std::string path_, temporary_;
  UniqueFd fd_;
};

// A folder removed with all it holds at the end of the scope.
class TempDir {
 public:
  explicit TempDir(const std::string& parent, std::string_view purpose = "tmp");
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  void keep() { keep_ = true; }

 private:
  std::string path_;
  bool keep_ = false;
};

// Runs a function at the end of the scope.
class ScopeExit {
 public:
  explicit ScopeExit(std::function<void()> action) : action_(std::move(action)) {}
  ~ScopeExit() {
    if (action_) action_();
  }
  void cancel() { action_ = nullptr; }
  ScopeExit(const ScopeExit&) = delete;
  ScopeExit& operator=(const ScopeExit&) = delete;

 private:
  std::function<void()> action_;
};

}  // namespace udocker
