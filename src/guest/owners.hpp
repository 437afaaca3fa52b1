// The side store: owners, modes, devices and privileged xattrs that an ordinary user cannot give to real files.
// One file `owners` beside ROOT, mapped shared by all processes of the container; readers take no lock.
// Also usable from hosted code (image extraction, export, clone): nothing here throws or allocates.
#pragma once
#include "guest/path.hpp"
#include "guest/sys.hpp"

namespace udocker::guest {

// A file as its inode: `dev` is 0 for files on ROOT's own device (so that a store survives a changed device number).
// `birth` is a hash of the birth time (0: unknown) and tells a re-used inode number from the file that was meant.
struct FileKey {
  uint64_t dev = 0, ino = 0;
  uint32_t birth = 0;
};

// What is shown in place of the real values.
struct Owner {
  uint32_t uid = 0, gid = 0;
  uint32_t mode = 0;  // type and permission bits; 0: the real mode is shown
  uint64_t rdev = 0;  // for character and block devices (kernel's 64-bit encoding as in stat)
};

class Owners {
 public:
  Owners() = default;
  Owners(const Owners&) = delete;
  Owners& operator=(const Owners&) = delete;
  ~Owners() { close(); }

  enum class Mode { read_only, read_write };
  // Code inside a guest's process keeps no descriptors open: the guest may close or replace any number. `path` is then
  // borrowed for as long as the store is open.
  enum class Descriptors { kept, none };

  // Opens or (read_write) creates the store at `path` for the tree at `root`, both host paths. A store that was made
  // for another tree (a copied container) is set aside as `path`.stale and begun anew; read_only then finds nothing.
  // Without a root the store must exist, is taken as it is, and lies on the file system of its tree.
  // Returns 0 or -errno (-ENOENT: read_only and there is none).
  long open(const char* path, const char* root, Mode mode, Descriptors descriptors = Descriptors::kept);
  void close();
  bool is_open() const { return base_ != nullptr; }
  // Lets the pages of a large map go; they stay in the file. For those who go through a million files: each look-up may
  // have brought 64 KiB of every level into memory.
  void relax() const;
  bool empty() const;       // no entry at all: callers may skip the look-up
  size_t count() const;
  bool has_xattrs() const;  // false: get_xattr finds nothing

  // The key of a file by host path, not following a link, or of an open descriptor (path ""). 0 or -errno.
  long key_of(int dir, const char* path, FileKey& out) const;

  // The same from a stat at hand; (dir, path, flags) name the file again for its birth time.
  FileKey key_of_stat(const sys::Stat& stat, int dir, const char* path, int flags) const;

  bool find(const FileKey& key, Owner& out) const;
  // Like find, with the values of a stat; asks the kernel for the birth time only when the inode is known.
  // (dir, path, flags) name the same file again.
  bool find_inode(uint64_t dev, uint64_t ino, int dir, const char* path, int flags, Owner& out) const;
  bool knows_inode(uint64_t dev, uint64_t ino) const;
  long set(const FileKey& key, const Owner& owner);  // 0, -ENOSPC, -EROFS
  void remove(const FileKey& key);

  // Extended attributes that the kernel refuses to us (security.*, trusted.*). get returns the size, -ENODATA, -ERANGE.
  // list appends NUL-terminated names and returns their total size (also when `size` is 0).
  long get_xattr(const FileKey& key, Text name, void* out, size_t size) const;
  long set_xattr(const FileKey& key, Text name, const void* value, size_t size, int flags);
  long remove_xattr(const FileKey& key, Text name);
  long list_xattr(const FileKey& key, char* out, size_t size) const;

  // Calls visit(context, key, owner) for every live entry.
  void for_each(void (*visit)(void* context, const FileKey& key, const Owner& owner), void* context) const;

 private:
  struct Slot;
  struct Header;
  const Slot* find_slot(uint64_t dev, uint64_t ino) const;
  Slot* claim_slot(uint64_t dev, uint64_t ino);
  long map_to(size_t bytes);
  int borrow_xattr_fd() const;
  void give_back(int fd) const;
  template <class Take>
  void each_xattr(const FileKey& key, Take take) const;
  long append_xattr(const FileKey& key, Text name, const void* value, size_t size, bool removed);

  char* base_ = nullptr;
  size_t mapped_ = 0;
  int fd_ = -1, xattr_fd_ = -1;
  const char* path_ = nullptr;  // set: no descriptors are kept
  bool writable_ = false;
  uint64_t root_dev_ = 0;
};

}  // namespace udocker::guest
