#if defined(__x86_64__)
#include "embedded/trap/runtime/libraries.hpp"

#include "embedded/trap/runtime/process.hpp"
#include "embedded/trap/runtime/sites.hpp"

#include <linux/fcntl.h>
#include <linux/mman.h>

extern "C" {
void trap_site_entry();
[[gnu::section(".bss.0table")]] udocker::trap::SiteTable trap_site_table;
}

namespace udocker::trap {
namespace {

constexpr uint64_t kPage = 4096, kMaxFile = 24u << 20, kStubCapacity = kStubRegion;
constexpr uint64_t up(uint64_t value) { return (value + kPage - 1) & ~(kPage - 1); }

uint64_t hash_of(const guest::ContentKey& key) {
  return guest::hash_text({reinterpret_cast<const char*>(key.word), sizeof key.word}) | 1;
}

uint64_t& plain_entry(uint64_t key) {
  auto* table = const_cast<uint64_t*>(reinterpret_cast<const uint64_t*>(me().text(me().settings->plain_at)));
  return table[(key >> 3) % kPlainFiles];
}

void cache_path(guest::HostPath& out, guest::Text prefix, uint64_t value) {
  out.assign(guest::Text(me().text(me().settings->cache_at)));
  out.append_component(prefix);
  char digits[16];
  for (int i = 0; i < 16; ++i) digits[i] = "0123456789abcdef"[(value >> (60 - 4 * i)) & 15];
  out.append({digits, 16});
}

// A region nobody else's copy in this cache has; all taken: one that is shared, copies of which cannot be used together.
uint32_t take_region(uint64_t key) {
  guest::HostPath path;
  for (uint32_t region = 0; region < kMaxRegions; ++region) {
    cache_path(path, "place-", region);
    long fd = guest::sys::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (!failed(fd)) {
      guest::sys::close(static_cast<int>(fd));
      return region;
    }
    if (fd != -EEXIST) break;
  }
  return static_cast<uint32_t>(key >> 16) % kMaxRegions;
}

bool write_whole(int fd, const void* data, uint64_t size) {
  auto* at = static_cast<const char*>(data);
  while (size) {
    long done = call(__NR_write, fd, address(at), static_cast<long>(size));
    if (done <= 0) return false;
    at += done;
    size -= static_cast<uint64_t>(done);
  }
  return true;
}

// The patched bytes of the file in private memory; the number of sites.
struct Work {
  unsigned char* bytes = nullptr;
  uint64_t size = 0;
  unsigned char* stubs = nullptr;
  CopyTail tail{};
};

void patch(Work& work, const guest::ElfFacts& facts, uint64_t key) {
  // Only the code segment counts: one in all libraries we know.
  for (uint32_t i = 0; i < facts.segment_count; ++i) {
    const guest::ElfSegment& segment = facts.segments[i];
    if (!(segment.flags & 1) || segment.file_offset + segment.file_size > work.size) continue;
    Code code{work.bytes + segment.file_offset, segment.file_size, segment.address};
    bool any = false;
    for (uint64_t at = 0; at + 7 <= code.size && !any; ++at)
      any = code.bytes[at] == 0x0f && code.bytes[at + 1] == 0x05;
    if (!any) return;
    work.tail.region = take_region(key);
    work.tail.stubs_size = patch_sites(code, work.tail.region, work.stubs, kStubCapacity, &work.tail.sites);
    return;
  }
}

// Writes the copy, or an empty file when there is nothing to patch, under its name in the cache.
void make_copy(int fd, uint64_t size, uint64_t key, const guest::HostPath& path) {
  guest::ElfFacts facts;
  Work work;
  work.size = size;
  bool elf = guest::read_elf(fd, facts) == 0 && facts.is_64 && work.size <= kMaxFile;
  long made = call(__NR_mmap, 0, static_cast<long>(elf ? work.size : kPage), PROT_READ | PROT_WRITE,
                   elf ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, elf ? fd : -1, 0);
  long stubs = call(__NR_mmap, 0, kStubCapacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (failed(made) || failed(stubs)) return;
  work.bytes = reinterpret_cast<unsigned char*>(made);
  work.stubs = reinterpret_cast<unsigned char*>(stubs);
  if (elf) patch(work, facts, key);

  guest::HostPath temporary;
  cache_path(temporary, "new-", key ^ static_cast<uint64_t>(call(__NR_gettid)));
  long out = guest::sys::open(temporary.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755);
  if (!failed(out)) {
    bool good = true;
    if (work.tail.sites) {
      uint64_t padding = up(work.size) - work.size;
      static const char zeros[kPage] = {};
      work.tail.magic = kCopyMagic;
      work.tail.stubs_at = up(work.size);
      work.tail.original_size = work.size;
      int file = static_cast<int>(out);
      good = write_whole(file, work.bytes, work.size) && write_whole(file, zeros, padding) &&
             write_whole(file, work.stubs, up(work.tail.stubs_size)) && write_whole(file, &work.tail, sizeof work.tail);
    }
    guest::sys::close(static_cast<int>(out));
    if (good) call(__NR_renameat, guest::sys::kAtCwd, address(temporary.c_str()), guest::sys::kAtCwd, address(path.c_str()));
    else call(__NR_unlinkat, guest::sys::kAtCwd, address(temporary.c_str()), 0);
  }
  call(__NR_munmap, made, static_cast<long>(elf ? work.size : kPage));
  call(__NR_munmap, stubs, kStubCapacity);
}

bool read_tail(int fd, CopyTail& tail) {
  long size = call(__NR_lseek, fd, 0, 2);
  if (size < static_cast<long>(sizeof tail)) return false;
  return call(__NR_pread64, fd, address(&tail), sizeof tail, size - static_cast<long>(sizeof tail)) ==
             static_cast<long>(sizeof tail) &&
         tail.magic == kCopyMagic && tail.region < kMaxRegions && tail.stubs_size <= kStubCapacity;
}

uint64_t& key_in_region(uint32_t region) { return const_cast<Settings*>(me().settings)->copy_of_region[region]; }

// The region whose stubs are those of the copy; kMaxRegions: not in the window yet.
uint32_t region_of(uint64_t key) {
  for (uint32_t region = 0; region < kMaxRegions; ++region)
    if (__atomic_load_n(&key_in_region(region), __ATOMIC_ACQUIRE) == key) return region;
  return kMaxRegions;
}

// Puts a copy's stubs into the window. False: another copy has the region, or just now somebody writes there.
bool publish(int fd, uint64_t key, const CopyTail& tail) {
  constexpr uint64_t kWriting = 2;
  uint64_t held = 0;
  if (!__atomic_compare_exchange_n(&key_in_region(tail.region), &held, kWriting, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    for (int i = 0; held == kWriting && i < 1000; ++i) {
      call(__NR_sched_yield);
      held = __atomic_load_n(&key_in_region(tail.region), __ATOMIC_ACQUIRE);
    }
    return held == key;
  }
  auto* place = const_cast<char*>(me().text(me().settings->window_at)) + tail.region * kStubRegion;
  long size = static_cast<long>(tail.stubs_size);
  bool good = call(__NR_pread64, fd, address(place), size, static_cast<long>(tail.stubs_at)) == size;
  __atomic_store_n(&key_in_region(tail.region), good ? key : 0, __ATOMIC_RELEASE);
  return good;
}

}  // namespace

Copy find_copy(const guest::ContentKey& file, int fd, const char* original) {
  Copy copy;
  if (!me().patches) return copy;
  uint64_t key = hash_of(file);
  uint64_t& plain = plain_entry(key);
  if (__atomic_load_n(&plain, __ATOMIC_RELAXED) == key) return copy;
  guest::HostPath path;
  cache_path(path, kCopyName, key);
  long opened = guest::sys::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  copy.region = region_of(key);
  if (!failed(opened) && copy.region < kMaxRegions) {
    copy.fd = static_cast<int>(opened);
    return copy;
  }
  if (opened == -ENOENT) {
    long source = fd >= 0 ? fd : guest::sys::open(original, O_RDONLY | O_CLOEXEC);
    if (!failed(source)) make_copy(static_cast<int>(source), file.word[2], key, path);
    if (!failed(source) && fd < 0) guest::sys::close(static_cast<int>(source));
    opened = guest::sys::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  }
  if (!failed(opened)) {
    CopyTail tail;
    copy.fd = static_cast<int>(opened);
    if (read_tail(copy.fd, tail) && publish(copy.fd, key, tail)) {
      copy.region = tail.region;
      return copy;
    }
    guest::sys::close(copy.fd);
    copy.fd = -1;
  }
  __atomic_store_n(&plain, key, __ATOMIC_RELAXED);
  return copy;
}

bool adopt_copy(const Copy& copy, uint64_t bias) {
  uint64_t none = 0;
  trap_site_table.entry = reinterpret_cast<uint64_t>(trap_site_entry);
  return __atomic_compare_exchange_n(&trap_site_table.bias[copy.region], &none, bias, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
         none == bias;
}

long on_mmap(const Trap& trap) {
  const uint64_t* arg = trap.arg;
  auto map = [&](uint64_t at, uint64_t flags, int fd) {
    return call(__NR_mmap, static_cast<long>(at), static_cast<long>(arg[1]), static_cast<long>(arg[2]),
                static_cast<long>(flags), fd, static_cast<long>(arg[5]));
  };
  int fd = static_cast<int>(arg[4]);
  if (!(arg[2] & PROT_EXEC) || (arg[2] & PROT_WRITE) || (arg[3] & MAP_ANONYMOUS) || !(arg[3] & MAP_PRIVATE))
    return map(arg[0], arg[3], fd);
  Copy copy;
  guest::sys::Stat stat;
  if (call(__NR_fstat, fd, address(&stat)) == 0 && (stat.mode & guest::sys::kTypeMask) == guest::sys::kTypeRegular)
    copy = find_copy(guest::ContentKey(stat), fd, nullptr);
  if (copy.fd < 0) return map(arg[0], arg[3], fd);
  guest::ElfFacts facts;
  long result = -ENOEXEC;
  guest::ContentKey key(stat);
  bool known = guest::find_elf(&me().shared->programs, key, facts);
  if (known || guest::read_elf(copy.fd, facts) == 0) {
    for (uint32_t i = 0; i < facts.segment_count; ++i) {
      const guest::ElfSegment& segment = facts.segments[i];
      uint64_t page_offset = segment.file_offset & ~(kPage - 1);
      if (!(segment.flags & 1) || arg[5] > page_offset || arg[5] + arg[1] <= page_offset) continue;
      result = map(arg[0], arg[3], copy.fd);
      if (failed(result)) break;
      uint64_t bias = static_cast<uint64_t>(result) + (segment.file_offset - arg[5]) - segment.address;
      if (!adopt_copy(copy, bias)) result = map(static_cast<uint64_t>(result), arg[3] | MAP_FIXED, fd);
      else if (!known && (stat.mode & 0111) == 0111) guest::keep_elf(&me().shared->programs, key, facts);
      break;
    }
  }
  guest::sys::close(copy.fd);
  return failed(result) ? map(arg[0], arg[3], fd) : result;
}

}  // namespace udocker::trap
#endif
