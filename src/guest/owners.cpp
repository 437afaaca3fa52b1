// The store is a file of 64-byte slots: a header page, then levels of 1024, 2048, 4096 … slots, each an open hash
// table; a full level is followed by a new one, nothing is ever moved. A slot is claimed by compare-and-swap on its
// key, published by `live`, and rewritten under an odd sequence number. Extended attributes are records appended to
// a second file (`PATH.xattr`), the last one of a name wins.
#include "guest/owners.hpp"

#include <asm/errno.h>
#include <initializer_list>

namespace udocker::guest {

namespace {

constexpr uint64_t kMagic = 0x31534e574f445521;  // "!UDOWNS1"
constexpr size_t kHeaderBytes = 4096, kSlotBytes = 64, kFirstLevel = 1024, kProbes = 24;
constexpr uint32_t kMaxLevels = 12;
constexpr size_t kMany = 50'000;  // entries, up to which the pages may stay
constexpr size_t kMapSizes[] = {size_t{256} << 20, size_t{32} << 20, size_t{4} << 20};

constexpr int kReadWriteShared = 3, kReadShared = 1, kMapShared = 1;
constexpr int kOReadOnly = 02000000, kOReadWrite = 02000002, kONew = 0302 | 02000000, kOAppend = 02102 | 02000000;

constexpr size_t level_slots(uint32_t level) { return kFirstLevel << level; }
constexpr size_t level_offset(uint32_t level) { return kHeaderBytes + kSlotBytes * kFirstLevel * ((size_t{1} << level) - 1); }

struct StatxTime {
  int64_t seconds;
  uint32_t nanoseconds;
  int32_t pad;
};
struct StatxBirth {
  uint32_t mask, blksize;
  uint64_t attributes;
  uint32_t nlink, uid, gid;
  uint16_t mode, pad;
  uint64_t ino, size, blocks, attributes_mask;
  StatxTime atime, btime, ctime, mtime;
  char rest[128];
};

// 0: unknown.
uint32_t birth_of(int dir, const char* path, int flags) {
  constexpr int kStatx = sizeof(sys::Stat) == 144 ? 332 : 291;
  constexpr uint32_t kBirth = 0x800;
  StatxBirth out;
  if (sys::call(kStatx, dir, sys::address(path), flags, kBirth, sys::address(&out)) < 0 || !(out.mask & kBirth)) return 0;
  uint64_t mixed = static_cast<uint64_t>(out.btime.seconds) * 1000000007u + out.btime.nanoseconds;
  auto folded = static_cast<uint32_t>(mixed ^ (mixed >> 32));
  return folded ? folded : 1;
}

uint64_t key_of_pair(uint64_t dev, uint64_t ino) {
  uint64_t key = (ino + 0x9e3779b97f4a7c15u) ^ (dev * 0xff51afd7ed558ccdu);
  return key ? key : 1;
}

size_t place_of(uint64_t key, size_t slots) {
  uint64_t mixed = key * 0x9e3779b97f4a7c15u;
  return static_cast<size_t>(mixed >> 20) & (slots - 1);
}

template <class T>
T load(const T& value) {
  return __atomic_load_n(&value, __ATOMIC_ACQUIRE);
}
template <class T>
void store(T& value, T other) {
  __atomic_store_n(&value, other, __ATOMIC_RELEASE);
}

struct Name {
  char text[kPathMax];
  size_t size = 0;
  void assign(const char* path, const char* suffix) {
    size = 0;
    for (const char* part : {path, suffix})
      while (*part && size + 24 < kPathMax) text[size++] = *part++;
    text[size] = '\0';
  }
  void add_number(uint64_t value) {
    char digits[20];
    size_t count = 0;
    do digits[count++] = static_cast<char>('0' + value % 10);
    while (value /= 10);
    while (count) text[size++] = digits[--count];
    text[size] = '\0';
  }
};

struct XattrHeader {
  uint64_t dev, ino;
  uint32_t birth;
  uint16_t name_size, value_size;
  uint32_t removed, bytes;
};

}  // namespace

struct Owners::Slot {
  uint64_t key, ino, dev;
  uint32_t sequence, live, birth, uid, gid, mode;
  uint64_t rdev;
  uint64_t unused;
};

struct Owners::Header {
  uint64_t magic, root_ino;
  uint32_t root_birth, level_count;
  uint64_t entries, xattrs;
};

static_assert(kSlotBytes == 64);

long Owners::open(const char* path, const char* root, Mode mode, Descriptors descriptors) {
  close();
  static_assert(sizeof(Slot) == kSlotBytes);
  sys::Stat stat;
  long result = sys::lstat(root ? root : path, &stat);
  if (result < 0) return result;
  root_dev_ = stat.dev;
  uint32_t birth = root ? birth_of(sys::kAtCwd, root, sys::kNoFollow) : 0;
  writable_ = mode == Mode::read_write;
  Name name;
  for (int attempt = 0; attempt < 4; ++attempt) {
    long fd = sys::open(path, writable_ ? kOReadWrite : kOReadOnly);
    if (fd == -ENOENT && writable_) {
      name.assign(path, ".new");
      name.add_number(static_cast<uint64_t>(sys::call(__NR_getpid)));
      sys::call(__NR_unlinkat, sys::kAtCwd, sys::address(name.text), 0);
      fd = sys::open(name.text, kONew, 0600);
      if (fd < 0) return fd;
      Header header{kMagic, stat.ino, birth, 1, 0, 0};
      char zero = 0;
      sys::call(__NR_pwrite64, fd, sys::address(&header), sizeof header, 0);
      result = sys::call(__NR_pwrite64, fd, sys::address(&zero), 1, static_cast<long>(level_offset(1)) - 1);
      sys::close(static_cast<int>(fd));
      if (result >= 0) {
        result = sys::call(__NR_linkat, sys::kAtCwd, sys::address(name.text), sys::kAtCwd, sys::address(path), 0);
        if (result < 0 && result != -EEXIST)
          result = sys::call(__NR_renameat2, sys::kAtCwd, sys::address(name.text), sys::kAtCwd, sys::address(path), 1);
      }
      sys::call(__NR_unlinkat, sys::kAtCwd, sys::address(name.text), 0);
      if (result < 0 && result != -EEXIST) return result;
      continue;
    }
    if (fd < 0) return fd;
    fd_ = static_cast<int>(fd);
    Header header;
    bool good = sys::call(__NR_pread64, fd_, sys::address(&header), sizeof header, 0) == sizeof header &&
                header.magic == kMagic && header.level_count >= 1 && header.level_count <= kMaxLevels;
    bool same = good && (!root || header.root_ino == stat.ino) &&
                (header.root_birth == birth || header.root_birth == 0 || birth == 0);
    if (!same) {
      sys::close(fd_);
      fd_ = -1;
      if (!writable_) return -ENOENT;
      for (const char* suffix : {"", ".xattr"}) {
        Name from;
        from.assign(path, suffix);
        name.assign(from.text, ".stale");
        sys::call(__NR_renameat2, sys::kAtCwd, sys::address(from.text), sys::kAtCwd, sys::address(name.text), 0);
      }
      continue;
    }
    for (size_t bytes : kMapSizes)
      if ((result = map_to(bytes)) == 0) break;
    if (result < 0) {
      close();
      return result;
    }
    if (descriptors == Descriptors::none) {
      path_ = path;
      sys::close(fd_);
      fd_ = -1;
      return 0;
    }
    name.assign(path, ".xattr");
    long extra = sys::open(name.text, writable_ ? kOAppend : kOReadOnly, 0600);
    xattr_fd_ = extra < 0 ? -1 : static_cast<int>(extra);
    return 0;
  }
  return -EBUSY;
}

long Owners::map_to(size_t bytes) {
  long base = sys::call(__NR_mmap, 0, static_cast<long>(bytes), writable_ ? kReadWriteShared : kReadShared, kMapShared, fd_, 0);
  if (base < 0 && base > -4096) return base;
  base_ = reinterpret_cast<char*>(base);
  mapped_ = bytes;
  return 0;
}

void Owners::close() {
  if (base_) sys::call(__NR_munmap, sys::address(base_), static_cast<long>(mapped_));
  if (fd_ >= 0) sys::close(fd_);
  if (xattr_fd_ >= 0) sys::close(xattr_fd_);
  base_ = nullptr;
  fd_ = xattr_fd_ = -1;
  path_ = nullptr;
}

void Owners::relax() const {
  constexpr long kDontNeed = 4;  // MADV_DONTNEED: of a shared map of a file only the mapping goes
  if (count() > kMany) sys::call(__NR_madvise, sys::address(base_), static_cast<long>(mapped_), kDontNeed);
}

int Owners::borrow_xattr_fd() const {
  if (!path_) return xattr_fd_;
  Name name;
  name.assign(path_, ".xattr");
  long fd = sys::open(name.text, writable_ ? kOAppend : kOReadOnly, 0600);
  return fd < 0 ? -1 : static_cast<int>(fd);
}

void Owners::give_back(int fd) const {
  if (path_ && fd >= 0) sys::close(fd);
}

size_t Owners::count() const { return base_ ? static_cast<size_t>(load(reinterpret_cast<Header*>(base_)->entries)) : 0; }
bool Owners::empty() const { return count() == 0; }

bool Owners::has_xattrs() const { return base_ && load(reinterpret_cast<Header*>(base_)->xattrs) != 0; }

const Owners::Slot* Owners::find_slot(uint64_t dev, uint64_t ino) const {
  if (!base_) return nullptr;
  uint64_t key = key_of_pair(dev, ino);
  uint32_t levels = load(reinterpret_cast<Header*>(base_)->level_count);
  for (uint32_t level = levels; level-- > 0;) {
    size_t slots = level_slots(level);
    if (level_offset(level + 1) > mapped_) continue;
    auto* table = reinterpret_cast<Slot*>(base_ + level_offset(level));
    size_t at = place_of(key, slots);
    for (size_t probe = 0; probe < kProbes; ++probe) {
      Slot& slot = table[(at + probe) & (slots - 1)];
      uint64_t found = load(slot.key);
      if (found == 0) break;
      if (found == key && load(slot.live) && slot.ino == ino && slot.dev == dev) return &slot;
    }
  }
  return nullptr;
}

Owners::Slot* Owners::claim_slot(uint64_t dev, uint64_t ino) {
  auto* header = reinterpret_cast<Header*>(base_);
  uint64_t key = key_of_pair(dev, ino);
  while (true) {
    uint32_t levels = load(header->level_count);
    uint32_t level = levels - 1;
    size_t slots = level_slots(level);
    if (level_offset(level + 1) > mapped_) return nullptr;
    auto* table = reinterpret_cast<Slot*>(base_ + level_offset(level));
    size_t at = place_of(key, slots);
    for (size_t probe = 0; probe < kProbes; ++probe) {
      Slot& slot = table[(at + probe) & (slots - 1)];
      uint64_t found = load(slot.key);
      if (found == 0 && __atomic_compare_exchange_n(&slot.key, &found, key, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        found = key;
      if (found == key) return &slot;
    }
    if (levels == kMaxLevels || level_offset(levels + 1) > mapped_) return nullptr;
    char zero = 0;
    int fd = path_ ? static_cast<int>(sys::open(path_, kOReadWrite)) : fd_;
    long grown = sys::call(__NR_pwrite64, fd, sys::address(&zero), 1, static_cast<long>(level_offset(levels + 1)) - 1);
    give_back(fd);
    if (grown != 1) return nullptr;
    __atomic_compare_exchange_n(&header->level_count, &levels, levels + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
  }
}

FileKey Owners::key_of_stat(const sys::Stat& stat, int dir, const char* path, int flags) const {
  return {stat.dev == root_dev_ ? 0 : stat.dev, stat.ino, birth_of(dir, path, flags)};
}

long Owners::key_of(int dir, const char* path, FileKey& out) const {
  sys::Stat stat;
  int flags = path[0] ? sys::kNoFollow : sys::kEmptyPath;
  long result = sys::fstatat(dir, path, &stat, flags);
  if (result < 0) return result;
  out = key_of_stat(stat, dir, path, flags);
  return 0;
}

bool Owners::find(const FileKey& key, Owner& out) const {
  const Slot* slot = find_slot(key.dev, key.ino);
  if (!slot) return false;
  // A writer that died in the middle leaves an odd number: after some tries its values are taken as they are.
  for (int attempt = 0; attempt < 64; ++attempt) {
    uint32_t before = load(slot->sequence);
    uint32_t birth = slot->birth;
    out = {slot->uid, slot->gid, slot->mode, slot->rdev};
    bool live = load(slot->live);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    bool steady = !(before & 1) && __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == before;
    if (!steady && attempt < 63) continue;
    return live && (birth == key.birth || birth == 0 || key.birth == 0);
  }
  return false;
}

bool Owners::knows_inode(uint64_t dev, uint64_t ino) const {
  return find_slot(dev == root_dev_ ? 0 : dev, ino) != nullptr;
}

bool Owners::find_inode(uint64_t dev, uint64_t ino, int dir, const char* path, int flags, Owner& out) const {
  uint64_t stored_dev = dev == root_dev_ ? 0 : dev;
  if (!find_slot(stored_dev, ino)) return false;
  return find({stored_dev, ino, birth_of(dir, path, flags)}, out);
}

long Owners::set(const FileKey& key, const Owner& owner) {
  if (!base_) return -EBADF;
  if (!writable_) return -EROFS;
  auto* slot = const_cast<Slot*>(find_slot(key.dev, key.ino));
  bool added = !slot;
  if (!slot) slot = claim_slot(key.dev, key.ino);
  if (!slot) return -ENOSPC;
  uint32_t before = load(slot->sequence);
  store(slot->sequence, before | 1);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  slot->ino = key.ino;
  slot->dev = key.dev;
  slot->birth = key.birth;
  slot->uid = owner.uid;
  slot->gid = owner.gid;
  slot->mode = owner.mode;
  slot->rdev = owner.rdev;
  if (added) __atomic_add_fetch(&reinterpret_cast<Header*>(base_)->entries, 1, __ATOMIC_RELAXED);
  store(slot->sequence, (before | 1) + 1);
  store(slot->live, 1u);
  return 0;
}

void Owners::remove(const FileKey& key) {
  if (!base_ || !writable_) return;
  auto* slot = const_cast<Slot*>(find_slot(key.dev, key.ino));
  if (!slot) return;
  store(slot->live, 0u);
  __atomic_sub_fetch(&reinterpret_cast<Header*>(base_)->entries, 1, __ATOMIC_RELAXED);
}

void Owners::for_each(void (*visit)(void* context, const FileKey& key, const Owner& owner), void* context) const {
  if (!base_) return;
  uint32_t levels = load(reinterpret_cast<Header*>(base_)->level_count);
  for (uint32_t level = 0; level < levels; ++level) {
    if (level_offset(level + 1) > mapped_) return;
    auto* table = reinterpret_cast<Slot*>(base_ + level_offset(level));
    for (size_t i = 0; i < level_slots(level); ++i) {
      if (!load(table[i].live)) continue;
      FileKey key{table[i].dev, table[i].ino, table[i].birth};
      Owner owner;
      if (find(key, owner)) visit(context, key, owner);
    }
  }
}

// Calls take(header, name, value) for every record of the file `key` names, oldest first.
template <class Take>
void Owners::each_xattr(const FileKey& key, Take take) const {
  if (!has_xattrs()) return;
  int fd = borrow_xattr_fd();
  if (fd < 0) return;
  XattrHeader header;
  char data[256 + kPathMax];
  for (int64_t at = 0;; at += header.bytes) {
    if (sys::call(__NR_pread64, fd, sys::address(&header), sizeof header, at) != sizeof header) break;
    size_t size = size_t{header.name_size} + header.value_size;
    if (header.bytes != sizeof header + size || size > sizeof data) break;
    if (header.dev != key.dev || header.ino != key.ino) continue;
    if (header.birth && key.birth && header.birth != key.birth) continue;
    if (sys::call(__NR_pread64, fd, sys::address(data), static_cast<long>(size), at + static_cast<long>(sizeof header)) !=
        static_cast<long>(size))
      break;
    take(header, Text(data, header.name_size), Text(data + header.name_size, header.value_size));
  }
  give_back(fd);
}

long Owners::get_xattr(const FileKey& key, Text name, void* out, size_t size) const {
  long result = -ENODATA;
  each_xattr(key, [&](const XattrHeader& header, Text found, Text value) {
    if (!(found == name)) return;
    if (header.removed) {
      result = -ENODATA;
      return;
    }
    result = static_cast<long>(value.size);
    if (size == 0) return;
    if (value.size > size) {
      result = -ERANGE;
      return;
    }
    __builtin_memcpy(out, value.data, value.size);
  });
  return result;
}

long Owners::append_xattr(const FileKey& key, Text name, const void* value, size_t size, bool removed) {
  if (!writable_) return -EROFS;
  if (name.size > 255 || size > kPathMax) return -E2BIG;
  int fd = borrow_xattr_fd();
  if (fd < 0) return -EOPNOTSUPP;
  char record[sizeof(XattrHeader) + 256 + kPathMax];
  XattrHeader header{key.dev, key.ino, key.birth, static_cast<uint16_t>(name.size), static_cast<uint16_t>(size), removed,
                     static_cast<uint32_t>(sizeof header + name.size + size)};
  __builtin_memcpy(record, &header, sizeof header);
  __builtin_memcpy(record + sizeof header, name.data, name.size);
  if (size) __builtin_memcpy(record + sizeof header + name.size, value, size);
  long written = sys::call(__NR_write, fd, sys::address(record), header.bytes);
  give_back(fd);
  if (written != static_cast<long>(header.bytes)) return written < 0 ? written : -ENOSPC;
  __atomic_add_fetch(&reinterpret_cast<Header*>(base_)->xattrs, 1, __ATOMIC_RELAXED);
  return 0;
}

long Owners::set_xattr(const FileKey& key, Text name, const void* value, size_t size, int flags) {
  constexpr int kCreate = 1, kReplace = 2;
  long found = flags ? get_xattr(key, name, nullptr, 0) : 0;
  if ((flags & kCreate) && found >= 0) return -EEXIST;
  if ((flags & kReplace) && found < 0) return found;
  return append_xattr(key, name, value, size, false);
}

long Owners::remove_xattr(const FileKey& key, Text name) {
  long found = get_xattr(key, name, nullptr, 0);
  return found < 0 ? found : append_xattr(key, name, nullptr, 0, true);
}

long Owners::list_xattr(const FileKey& key, char* out, size_t size) const {
  size_t total = 0;
  bool full = false;
  each_xattr(key, [&](const XattrHeader& header, Text name, Text) {
    if (header.removed || get_xattr(key, name, nullptr, 0) < 0) return;
    size_t at = 0;  // names seen before are in `out`; without room every record counts once
    while (size && at + name.size < total) {
      if (__builtin_memcmp(out + at, name.data, name.size) == 0 && out[at + name.size] == '\0') return;
      while (out[at]) ++at;
      ++at;
    }
    if (size && total + name.size + 1 > size) {
      full = true;
      return;
    }
    if (size) {
      __builtin_memcpy(out + total, name.data, name.size);
      out[total + name.size] = '\0';
    }
    total += name.size + 1;
  });
  return full ? -ERANGE : static_cast<long>(total);
}

}  // namespace udocker::guest
