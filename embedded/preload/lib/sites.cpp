// Call sites inside the libc and the loader, turned into jumps to sites_entry.S. Only calls that open or look at files
// come here; a path below ROOT or with our mark was mapped by a wrapper already.
#include <elf.h>
#include <link.h>

#include "wrap.hpp"

extern "C" {
__attribute__((visibility("hidden"))) uint64_t udocker_preload_resume[udocker::preload::kStubs];
}

#if defined(__x86_64__)
extern struct r_debug _r_debug __attribute__((weak));
extern struct r_debug* _dl_debug_addr __attribute__((weak));
extern ElfW(Dyn) _DYNAMIC[] __attribute__((weak, visibility("hidden")));
extern "C" {
__attribute__((visibility("hidden"))) extern const unsigned char udocker_preload_stubs[];
__attribute__((visibility("hidden"))) void udocker_preload_open();
__attribute__((visibility("hidden"))) void udocker_preload_fopen();
__attribute__((visibility("hidden"))) void udocker_preload_fopen_in_place();
}
#endif

namespace udocker::preload {

const char* for_libc(Mapped& m) {
  if (!state.libc_hooked || !m.path || m.path[0] != '/' || m.path != m.host || below_root(m.path)) return m.path;
  constexpr size_t kSize = sizeof kMark - 1;
  const size_t size = text_size(m.host) + 1;
  if (size + kSize > sizeof m.host) return m.path;
  for (size_t i = size; i-- > 0;) m.host[i + kSize] = m.host[i];
  copy(m.host, kMark, kSize);
  return m.path;
}

#if defined(__x86_64__)

namespace {

constexpr size_t kStubSize = 16;
constexpr uint16_t kUnixFamily = 1;
constexpr uint64_t kMoves = uint64_t{1} << 63;  // in udocker_preload_resume: the result goes to rdi too
uint16_t numbers[kStubs];
using Callees = long (*)(long, long, long, long, long, long, long);
Callees callees[kCallees];
uint32_t stubs_used;
const SiteTable* known_tables;

struct SavedRegisters {
  long rbp, r9, r8, r10, rdx, rsi, rdi;
};

bool is_marked(const char* path) { return starts(path, kMark); }

bool climbs(const char* path) {
  for (; *path; ++path)
    if (path[0] == '.' && path[1] == '.') return true;
  return false;
}

// Whether the kernel's answer for this path would not be the guest's.
bool needs_us(const char* path) {
  if (!path) return false;
  if (path[0] == '/') return !below_root(path) && !is_marked(path);
  return climbs(path);
}

long answer(long number, const SavedRegisters& r) {
  const auto plain = [&] { return sys::call(number, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9); };
  const auto ours = [&] { return emulate(number, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9); };
  switch (number) {
    case __NR_open: case __NR_stat: case __NR_lstat: case __NR_access: case __NR_readlink: case __NR_unlink: case __NR_statfs:
      return needs_us(pointer<const char*>(r.rdi)) ? ours() : plain();
    case __NR_openat: case __NR_newfstatat: case __NR_statx: case __NR_faccessat: case __NR_faccessat2:
    case __NR_readlinkat: case __NR_unlinkat:
      return needs_us(pointer<const char*>(r.rsi)) ? ours() : plain();
    case __NR_chdir:
    case __NR_fchdir: {
      forget_directory();
      const long result = number == __NR_chdir && needs_us(pointer<const char*>(r.rdi)) ? ours() : plain();
      forget_directory();
      return result;
    }
    case __NR_connect:
      return r.rsi && r.rdx > 3 && *pointer<const uint16_t*>(r.rsi) == kUnixFamily && needs_us(pointer<const char*>(r.rsi + 2)) ? ours() : plain();
    default:
      return plain();
  }
}

template <size_t size>
bool begins(const unsigned char* at, const unsigned char (&code)[size]) {
  for (size_t i = 0; i < size; ++i)
    if (at[i] != code[i]) return false;
  return true;
}

bool matches(const unsigned char* at, const Site& site, const SiteTable& table) {
  constexpr unsigned char kCompare[] = {0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff}, kMove[] = {0x0f, 0x05, 0x48, 0x89, 0xc7};
  switch (site.kind) {
    case SiteKind::number_first:
      return at[0] == 0xb8 && at[1] == (site.number & 0xff) && at[2] == site.number >> 8 && !at[3] && !at[4] && at[5] == 0x0f && at[6] == 0x05;
    case SiteKind::compare_next: return begins(at, kCompare);
    case SiteKind::move_next: return begins(at, kMove);
    case SiteKind::callee: break;
  }
  int32_t distance;
  __builtin_memcpy(&distance, at + 1, sizeof distance);
  return site.kind == SiteKind::callee && (at[0] == 0xe8 || at[0] == 0xe9) && site.number < kCallees &&
         site.address + 5 + static_cast<uint64_t>(static_cast<int64_t>(distance)) == table.callees[site.number];
}

// The executable segment of a loaded object is the one the table was made for, byte for byte where it matters.
bool fits(const SiteTable& table, const link_map* map) {
  const auto* head = reinterpret_cast<const ElfW(Ehdr)*>(map->l_addr);
  if (!map->l_addr || head->e_ident[0] != 0x7f || head->e_ident[1] != 'E' || head->e_phentsize != sizeof(ElfW(Phdr))) return false;
  const auto* segment = reinterpret_cast<const ElfW(Phdr)*>(map->l_addr + head->e_phoff);
  for (int i = 0; i < head->e_phnum; ++i, ++segment) {
    if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X)) continue;
    if (segment->p_vaddr != table.code_address || segment->p_memsz != table.code_size) return false;
    for (uint32_t k = 0; k < table.count; ++k) {
      const Site& site = table.sites[k];
      if (site.address < table.code_address || site.address + 16 > table.code_address + table.code_size) return false;
      if (!matches(reinterpret_cast<const unsigned char*>(map->l_addr + site.address), site, table)) return false;
    }
    return true;
  }
  return false;
}

// In place of glibc's function for calls that can be cancelled, which gives a C result and sets errno.
long through_libc(long a, long b, long c, long d, long, long) { return callees[kCancellable](a, b, c, d, 0, 0, __NR_openat); }
long cancellable(long a, long b, long c, long d, long e, long f, long number) {
  if (number == __NR_openat && needs_us(pointer<const char*>(b))) return open_at(through_libc, true, a, b, c, d);
  if (number == __NR_connect && b && c > 3 && *pointer<const uint16_t*>(b) == kUnixFamily && needs_us(pointer<const char*>(b + 2)))
    return c_result(emulate_waiting(__NR_connect, a, b, c));
  return callees[kCancellable](a, b, c, d, e, f, number);
}

const void* in_place_of(uint16_t callee) {
  const void* const ours[kCallees] = {reinterpret_cast<const void*>(cancellable), reinterpret_cast<const void*>(udocker_preload_open),
                                      reinterpret_cast<const void*>(udocker_preload_fopen), reinterpret_cast<const void*>(udocker_preload_fopen_in_place)};
  return ours[callee];
}

bool patch(const SiteTable& table, uintptr_t base) {
  constexpr uintptr_t kPage = 4096;
  constexpr long kRead = 1, kWrite = 2, kExecute = 4;
  if (stubs_used + table.count > kStubs) return false;
  uint32_t low = ~0u, high = 0;
  for (uint32_t k = 0; k < table.count; ++k) {
    if (table.sites[k].address < low) low = table.sites[k].address;
    if (table.sites[k].address > high) high = table.sites[k].address;
  }
  const uintptr_t first = (base + low) & ~(kPage - 1), end = (base + high + 8 + kPage - 1) & ~(kPage - 1);
  const auto stub = [](uint32_t index) { return reinterpret_cast<uintptr_t>(udocker_preload_stubs) + index * kStubSize; };
  const auto reaches = [&](uintptr_t from) {
    const auto far = static_cast<int64_t>(stub(0) - from);
    return far < 0x7ff00000 && far > -0x7ff00000;
  };
  if (!reaches(first) || !reaches(end)) return false;
  const long size = static_cast<long>(end - first);
  if (sys::call(__NR_mprotect, static_cast<long>(first), size, kRead | kWrite | kExecute) < 0 &&
      sys::call(__NR_mprotect, static_cast<long>(first), size, kRead | kWrite) < 0)
    return false;
  for (uint32_t k = 0; k < table.count; ++k) {
    const Site& site = table.sites[k];
    auto* at = reinterpret_cast<unsigned char*>(base + site.address);
    if (site.kind == SiteKind::callee) {
      const auto ours = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(in_place_of(site.number)) - (reinterpret_cast<uintptr_t>(at) + 5));
      __builtin_memcpy(at + 1, &ours, sizeof ours);
      continue;
    }
    const uint32_t index = stubs_used++;
    numbers[index] = site.number;
    udocker_preload_resume[index] = (reinterpret_cast<uintptr_t>(at) + site.size()) | (site.kind == SiteKind::move_next ? kMoves : 0);
    const uint64_t distance = stub(index) - (reinterpret_cast<uintptr_t>(at) + 5);
    uint64_t code;
    __builtin_memcpy(&code, at, sizeof code);
    code = (code & ~uint64_t{0xffffffffff}) | 0xe9 | (distance & 0xffffffff) << 8;
    __builtin_memcpy(at, &code, sizeof code);
  }
  // All namespaces of a process have the same libc, but not at the same place.
  for (int i = 0; i < kCallees; ++i)
    if (table.callees[i] && !callees[i]) callees[i] = reinterpret_cast<Callees>(base + table.callees[i]);
  sys::call(__NR_mprotect, static_cast<long>(first), size, kRead | kExecute);
  return true;
}

}  // namespace

extern "C" __attribute__((visibility("hidden"), used)) long udocker_preload_hooked(uint32_t index, uint32_t number,
                                                                                 const SavedRegisters* registers) {
  return answer(numbers[index] ? numbers[index] : number, *registers);
}

// In place of musl's functions where it calls them itself, by way of sites_entry.S.
extern "C" __attribute__((visibility("hidden"), used)) long udocker_preload_opens(long path, long flags, long mode) {
  if (needs_us(pointer<const char*>(path))) return open_at(NEXT("open"), false, sys::kAtCwd, path, flags, mode);
  return callees[kOpen](path, flags, mode, 0, 0, 0, 0);
}
template <Callee callee>
static long open_stream(long path, long a, long b, long c) {
  Mapped m;
  m.path = pointer<const char*>(path);
  if (needs_us(m.path))
    if (const long error = map_path(sys::kAtCwd, m.path, Follow::yes, Guess::no, m); error < 0) return set_errno(static_cast<int>(-error)), 0;
  return callees[callee](word(m.path), a, b, c, 0, 0, 0);
}
extern "C" __attribute__((visibility("hidden"), used)) long udocker_preload_fopens(long path, long mode) {
  return open_stream<kOpenStream>(path, mode, 0, 0);
}
extern "C" __attribute__((visibility("hidden"), used)) long udocker_preload_fopens_in_place(long path, long file, long buffer, long size) {
  return open_stream<kOpenInPlace>(path, file, buffer, size);
}

void hook_call_sites(const SiteTable* tables) {
  const r_debug* debug = &_r_debug ? &_r_debug : (&_dl_debug_addr ? _dl_debug_addr : nullptr);
  known_tables = tables;
  if (!debug || !debug->r_map) return;
  for (uint32_t i = 0; i < kSiteTables; ++i) {
    const SiteTable& table = tables[i];
    if (table.owner == SiteOwner::none || !table.count || table.count > kMaxSites) continue;
    // The program itself comes first in the list.
    for (const link_map* map = debug->r_map->l_next; map; map = map->l_next) {
      if (map->l_ld == _DYNAMIC || !fits(table, map)) continue;
      const bool done = patch(table, map->l_addr);
      if (table.owner == SiteOwner::glibc) state.names_pass = done;
      if (table.owner == SiteOwner::glibc || table.owner == SiteOwner::musl) state.libc_hooked = done;
      if (table.owner == SiteOwner::loader) state.loader_hooked = done;
      break;
    }
  }
}

void hook_namespace(const void* object) {
  const auto* map = static_cast<const link_map*>(object);
  while (map->l_prev) map = map->l_prev;
  for (; map && known_tables; map = map->l_next)
    for (uint32_t i = 0; i < kSiteTables; ++i) {
      const SiteTable& table = known_tables[i];
      // What is patched already does not fit any more.
      if (table.owner != SiteOwner::glibc || !table.count || table.count > kMaxSites || !fits(table, map)) continue;
      patch(table, map->l_addr);
    }
}

#else

void hook_call_sites(const SiteTable*) {}
void hook_namespace(const void*) {}

#endif

}  // namespace udocker::preload
