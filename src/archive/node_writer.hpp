// Puts single files of an archive into a directory that is held open: contents, modes, times, xattrs, and what the
// user may not give (owners, devices, set-id bits) into the side store. Small files are written by threads.
#pragma once
#include "archive/extract.hpp"
#include "archive/tar.hpp"
#include "guest/owners.hpp"
#include "util/fd.hpp"
#include "util/workers.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <time.h>

namespace udocker::archive {

// A directory that stays open as long as somebody works in it.
using SharedDir = std::shared_ptr<UniqueFd>;

// Permission bits that a file gets really: the user can always read and write it, and enter a directory; never
// set-id or sticky; nothing that the umask forbids.
unsigned real_mode(const Entry& entry, unsigned mask);

timespec time_of(const Entry& entry);

class NodeWriter {
 public:
  // `owners` and `root` as in ApplyOptions and apply_layers.
  NodeWriter(std::string root, std::string owners);

  static constexpr std::size_t kSmall = 256 << 10;

  // Names must not exist yet: what is there by surprise is SystemError.
  void write_small(SharedDir dir, std::string name, const Entry& entry, TarReader& from);  // in a thread, soon
  void write_large(int dir, const std::string& name, const Entry& entry, TarReader& from);
  void make_link(int dir, const std::string& name, const Entry& entry);     // symbolic
  void make_special(int dir, const std::string& name, const Entry& entry);  // fifo; a device as an empty file
  // Directories: mode at once (or on one that exists), times by set_times when all is in place.
  void make_directory(int dir, const std::string& name, const Entry& entry, bool exists);
  void set_times(int dir, const std::string& name, timespec time);
  // Waits until all small files are there; throws what went wrong with one of them.
  void drain();
  unsigned mask() const { return mask_; }

 private:
  struct Job {
    SharedDir dir;
    std::string name, data;
    Entry entry;
    std::size_t cost() const;  // bytes it holds
  };
  std::string spare_buffer();
  void run(Job& job);
  void finish_file(int fd, int dir, const std::string& name, const Entry& entry);
  void note(int dir, const std::string& name, const Entry& entry, unsigned real, unsigned type);
  bool needs_note(const Entry& entry, unsigned real) const;
  std::string shown(const std::string& name) const;

  std::string root_, owners_path_;
  unsigned mask_;
  std::mutex owners_mutex_;
  guest::Owners owners_;
  std::size_t noted_ = 0;
  std::mutex spare_mutex_;
  std::vector<std::string> spare_;  // buffers to use again
  std::size_t spare_bytes_ = 0;
  Workers<Job> workers_;
};

}  // namespace udocker::archive
