// Locks between processes that also hold on NFS and Lustre: a file made by link(2) that says who owns it.
// Readers of a store never lock.
#pragma once
#include <chrono>
#include <optional>
#include <string>

namespace udocker::store {

// Who made a lock: host (with its boot and pid namespace), pid and the pid's start time.
struct Owner {
  std::string place, start;
  long pid = 0;

  static Owner self();
  static std::optional<Owner> parse(const std::string& text);
  std::string text() const;
  // False only when the owner is surely gone; owners on other hosts count as alive for `silence` after `age`.
  bool may_live(std::chrono::seconds age) const;
  bool operator==(const Owner&) const = default;
};

// Owns the lock file at a path; removed on destruction.
class Lock {
 public:
  // Waits until the lock is ours; a lock of a dead owner is taken over. Throws Error naming the owner after `patience`,
  // SystemError when the directory cannot be written.
  static Lock take(const std::string& path, std::chrono::seconds patience = std::chrono::minutes(10));
  // Nothing when somebody alive holds it.
  static std::optional<Lock> try_take(const std::string& path);

  Lock(Lock&& other) noexcept;
  Lock& operator=(Lock&&) = delete;
  ~Lock();
  // Shows owners' watchers on other hosts that we live; cheap, call it now and then while a lock is held long.
  void refresh();
  void release();  // before the end of the scope

 private:
  explicit Lock(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::chrono::steady_clock::time_point refreshed_ = std::chrono::steady_clock::now();
};

// Text that no other process uses in a file name.
std::string unique_suffix();

// True when the lock at `path` exists and its owner may be alive.
bool is_locked(const std::string& path);

}  // namespace udocker::store
