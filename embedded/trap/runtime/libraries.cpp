#include "embedded/trap/runtime/libraries.hpp"

#include "embedded/trap/runtime/process.hpp"
#include "embedded/trap/runtime/sites.hpp"

#include <linux/fcntl.h>
#include <linux/mman.h>

extern "C" void trap_site_entry();

namespace udocker::trap {
namespace {

constexpr uint64_t kPage = 4096, kMaxFile = 24u << 20, kStubCapacity = kStubRegion - 0x1000;
constexpr long kNoReplace = 0x100000;
constexpr uint64_t up(uint64_t value) { return (value + kPage - 1) & ~(kPage - 1); }

uint64_t key_of(const guest::sys::Stat& stat) {
  uint64_t words[] = {stat.dev, stat.ino, static_cast<uint64_t>(stat.size), static_cast<uint64_t>(stat.mtime),
                      static_cast<uint64_t>(stat.mtime_ns), static_cast<uint64_t>(stat.ctime),
                      static_cast<uint64_t>(stat.ctime_ns)};
  return guest::hash_text({reinterpret_cast<const char*>(words), sizeof words}) | 1;
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
    cache_path(path, "region-", region);
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
void make_copy(int fd, const guest::sys::Stat& stat, uint64_t key, const guest::HostPath& path) {
  guest::ElfFacts facts;
  Work work;
  work.size = static_cast<uint64_t>(stat.size);
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
         tail.magic == kCopyMagic;
}

}  // namespace

Copy find_copy(int fd) {
  Copy copy;
  if (!me().patches) return copy;
  guest::sys::Stat stat;
  if (call(__NR_fstat, fd, address(&stat)) || (stat.mode & guest::sys::kTypeMask) != guest::sys::kTypeRegular) return copy;
  uint64_t key = key_of(stat);
  uint64_t& plain = plain_entry(key);
  if (__atomic_load_n(&plain, __ATOMIC_RELAXED) == key) return copy;
  guest::HostPath path;
  cache_path(path, "lib-", key);
  for (int attempt = 0; attempt < 2; ++attempt) {
    long opened = guest::sys::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (opened == -ENOENT && attempt == 0) {
      make_copy(fd, stat, key, path);
      continue;
    }
    if (failed(opened)) break;
    CopyTail tail;
    copy.fd = static_cast<int>(opened);
    if (read_tail(copy.fd, tail)) {
      copy.region = tail.region;
      copy.stubs_at = tail.stubs_at;
      copy.stubs_size = tail.stubs_size;
      return copy;
    }
    guest::sys::close(copy.fd);
    copy.fd = -1;
    break;
  }
  __atomic_store_n(&plain, key, __ATOMIC_RELAXED);
  return copy;
}

bool adopt_copy(const Copy& copy, uint64_t bias) {
  uint64_t data = kStubsAt + copy.region * kStubRegion, table = data + kPage;
  long page = call(__NR_mmap, static_cast<long>(data), kPage, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | kNoReplace, -1, 0);
  if (failed(page)) return false;
  if (static_cast<uint64_t>(page) != data) {
    call(__NR_munmap, page, kPage);
    return false;
  }
  *reinterpret_cast<StubData*>(data) = {bias, reinterpret_cast<uint64_t>(trap_site_entry)};
  long stubs = call(__NR_mmap, static_cast<long>(table), static_cast<long>(copy.stubs_size), PROT_READ | PROT_EXEC,
                    MAP_PRIVATE | kNoReplace, copy.fd, static_cast<long>(copy.stubs_at));
  if (static_cast<uint64_t>(stubs) == table) return true;
  if (!failed(stubs)) call(__NR_munmap, stubs, static_cast<long>(copy.stubs_size));
  call(__NR_munmap, page, kPage);
  return false;
}

long on_mmap(const Trap& trap) {
  const uint64_t* arg = trap.arg;
  auto map = [&](uint64_t at, uint64_t flags, int fd) {
    return call(__NR_mmap, static_cast<long>(at), static_cast<long>(arg[1]), static_cast<long>(arg[2]),
                static_cast<long>(flags), fd, static_cast<long>(arg[5]));
  };
  int fd = static_cast<int>(arg[4]);
  Copy copy;
  if ((arg[2] & PROT_EXEC) && !(arg[2] & PROT_WRITE) && !(arg[3] & MAP_ANONYMOUS) && (arg[3] & MAP_PRIVATE)) copy = find_copy(fd);
  if (copy.fd < 0) return map(arg[0], arg[3], fd);
  guest::ElfFacts facts;
  long result = -ENOEXEC;
  if (guest::read_elf(copy.fd, facts) == 0) {
    for (uint32_t i = 0; i < facts.segment_count; ++i) {
      const guest::ElfSegment& segment = facts.segments[i];
      uint64_t page_offset = segment.file_offset & ~(kPage - 1);
      if (!(segment.flags & 1) || arg[5] > page_offset || arg[5] + arg[1] <= page_offset) continue;
      result = map(arg[0], arg[3], copy.fd);
      if (failed(result)) break;
      uint64_t bias = static_cast<uint64_t>(result) + (segment.file_offset - arg[5]) - segment.address;
      if (!adopt_copy(copy, bias)) result = map(static_cast<uint64_t>(result), arg[3] | MAP_FIXED, fd);
      break;
    }
  }
  guest::sys::close(copy.fd);
  return failed(result) ? map(arg[0], arg[3], fd) : result;
}

uint64_t resume_address(uint64_t pc) {
  if (pc < kStubsAt || pc >= kStubsAt + kMaxRegions * kStubRegion) return pc;
  auto* code = reinterpret_cast<const unsigned char*>(pc);  // cmp $x,%rax; mov data,%rcx; lea offset(%rcx),%rcx
  auto value = [&](size_t at) { return static_cast<uint32_t>(code[at] | code[at + 1] << 8 | code[at + 2] << 16 | code[at + 3] << 24); };
  return reinterpret_cast<const StubData*>(static_cast<uint64_t>(value(10)))->bias + value(17);
}

uint64_t site_size(uint64_t pc) { return resume_address(pc) == pc ? 7 : 8; }

}  // namespace udocker::trap
