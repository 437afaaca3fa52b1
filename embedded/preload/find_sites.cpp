#include "embedded/preload/find_sites.hpp"

#include "elf/disk.hpp"
#include "elf/view.hpp"
#include "guest/call_sites.hpp"
#include "guest/instructions.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <elf.h>

#include <cstring>

#include <asm/unistd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::preload {
namespace {

constexpr std::string_view kFormat = "udocker call sites 3\n";

// Calls that open or look at files by name. Changes of files are made by functions that are wrapped as a whole.
bool wanted(std::uint32_t number) {
  switch (number) {
#if defined(__x86_64__)
    case __NR_open: case __NR_openat: case __NR_stat: case __NR_lstat: case __NR_newfstatat: case __NR_statx:
    case __NR_access: case __NR_faccessat: case __NR_faccessat2: case __NR_readlink: case __NR_readlinkat:
    case __NR_chdir: case __NR_fchdir: case __NR_unlink: case __NR_unlinkat: case __NR_connect: case __NR_statfs:
      return true;
#endif
    default:
      return false;
  }
}

std::uint64_t distance_at(const std::uint8_t* at) {
  std::int32_t distance;
  std::memcpy(&distance, at, sizeof distance);
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
}

// Address of an exported function; 0 when there is none.
std::uint64_t exported(const elf::Bytes& bytes, const elf::Tables& elf, std::string_view name) {
  for (const elf::Section& section : elf.sections) {
    if (section.type != SHT_DYNSYM || section.link >= elf.sections.size()) continue;
    const elf::Section& strings = elf.sections[section.link];
    for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, bytes.data() + section.offset + at, sizeof symbol);
      if (symbol.st_name >= strings.size || strings.size - symbol.st_name <= name.size()) continue;
      const char* text = reinterpret_cast<const char*>(bytes.data() + strings.offset + symbol.st_name);
      if (std::string_view(text, name.size()) == name && text[name.size()] == '\0') return symbol.st_value;
    }
  }
  return 0;
}

// The function that code hands this text to as first argument, in all places; 0 when they differ or there is none.
std::uint64_t called_with(const elf::Bytes& bytes, const elf::Tables& elf, const elf::Segment& code, std::string_view name) {
  constexpr int kBetween = 6;  // instructions
  const std::string text = cat(std::string_view("", 1), name, std::string_view("", 1));
  const auto place = std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).find(text);
  std::uint64_t address = 0, called = 0;
  for (const elf::Segment& segment : elf.segments)
    if (segment.type == PT_LOAD && place != std::string_view::npos && place >= segment.offset && place - segment.offset < segment.filesz)
      address = segment.vaddr + (place - segment.offset) + 1;
  if (!address) return 0;
  const std::uint8_t* begin = bytes.data() + code.offset;
  for (std::uint64_t at = 0; at + 128 <= code.filesz; ++at) {
    const std::uint8_t* here = begin + at;
    if (here[0] != 0x48 || here[1] != 0x8d || here[2] != 0x3d || code.vaddr + at + 7 + distance_at(here + 3) != address) continue;
    here += 7;
    for (int i = 0; i < kBetween && *here != 0xe8; ++i) here += guest::instruction_length(here);
    if (*here != 0xe8) return 0;
    const std::uint64_t goes_to = code.vaddr + static_cast<std::uint64_t>(here - begin) + 5 + distance_at(here + 1);
    if (called && goes_to != called) return 0;
    called = goes_to;
  }
  return called;
}

// musl opens what it reads for itself by functions of its own, called directly.
void add_musl_calls(const elf::Bytes& bytes, const elf::Tables& elf, const elf::Segment& code, SiteTable& table) {
  table.callees[kOpen] = exported(bytes, elf, "open");
  table.callees[kOpenStream] = exported(bytes, elf, "fopen");
  const std::uint64_t in_place = called_with(bytes, elf, code, "/etc/hosts");
  if (in_place == called_with(bytes, elf, code, "/etc/services")) table.callees[kOpenInPlace] = in_place;
  for (std::uint64_t at = 0; at + 5 <= code.filesz && table.count < kMaxSites; ++at) {
    const std::uint8_t* here = bytes.data() + code.offset + at;
    if (here[0] != 0xe8 && here[0] != 0xe9) continue;
    const std::uint64_t goes_to = code.vaddr + at + 5 + distance_at(here + 1);
    for (std::uint16_t i = kOpen; i < kCallees; ++i)
      if (table.callees[i] && goes_to == table.callees[i]) table.sites[table.count++] = {static_cast<std::uint32_t>(code.vaddr + at), i, SiteKind::callee};
  }
}

struct Library {
  const char* name;
  SiteOwner owner;
};
// libpthread was a library of its own before glibc 2.34.
constexpr Library kLibraries[] = {{"libc.so.6", SiteOwner::glibc},
                                  {"ld-linux-x86-64.so.2", SiteOwner::loader},
                                  {"libpthread.so.0", SiteOwner::other},
                                  {"ld-musl-x86_64.so.1", SiteOwner::musl}};
static_assert(std::size(kLibraries) <= kSiteTables);

SiteTable search(const std::string& path, SiteOwner owner) {
  SiteTable table{};
  const elf::Bytes bytes = elf::load_bytes(path);
  const elf::Tables elf = elf::View(bytes).tables();
  if (elf.machine != EM_X86_64 || !elf.codec.is64) return table;
  for (const elf::Segment& segment : elf.segments) {
    if (segment.type != PT_LOAD || (segment.flags & PF_X) == 0) continue;
    guest::CallSite found[kMaxSites];
    const std::uint32_t count =
        guest::find_call_sites(bytes.data() + segment.offset, segment.filesz, wanted, found, kMaxSites, owner == SiteOwner::musl);
    table = {owner, 0, segment.vaddr, segment.memsz, {}, {}};
    for (std::uint32_t i = 0; i < count; i++) {
      const guest::CallSite& site = found[i];
      if (site.dropped || (site.size == 8 && site.compare != 0xfffff000)) continue;
      table.sites[table.count++] = {static_cast<std::uint32_t>(segment.vaddr + site.at), static_cast<std::uint16_t>(site.number),
                                    site.size == 7 ? SiteKind::number_first : site.size == 8 ? SiteKind::compare_next : SiteKind::move_next};
    }
    const auto may_block = [](std::uint32_t number) { return number == __NR_openat || number == __NR_connect; };
    std::uint64_t target = 0;
    const std::uint32_t calls = owner != SiteOwner::glibc ? 0
        : guest::find_cancel_calls(bytes.data() + segment.offset, segment.filesz, may_block, found, kMaxSites, &target);
    for (std::uint32_t i = 0; i < calls && calls > 1 && table.count < kMaxSites; i++) {
      table.callees[kCancellable] = segment.vaddr + target;
      table.sites[table.count++] = {static_cast<std::uint32_t>(segment.vaddr + found[i].at), kCancellable, SiteKind::callee};
    }
    if (owner == SiteOwner::musl) add_musl_calls(bytes, elf, segment, table);
    break;
  }
  return table;
}

std::optional<SiteTable> load_table(const std::string& path) {
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != ::geteuid()) return std::nullopt;
  const auto content = find_file(path, 1 << 16);
  SiteTable table;
  if (!content || content->size() != kFormat.size() + sizeof table || !content->starts_with(kFormat)) return std::nullopt;
  std::memcpy(&table, content->data() + kFormat.size(), sizeof table);
  if (table.count > kMaxSites) return std::nullopt;
  return table;
}

SiteTable table_of(const std::string& path, const struct stat& st, SiteOwner owner, const std::string& cache_dir) {
  const std::string key = sha256_hex(cat(path, " ", static_cast<std::uint64_t>(st.st_ino), " ", static_cast<std::uint64_t>(st.st_size), " ",
                                         static_cast<std::int64_t>(st.st_mtim.tv_sec), ".", static_cast<std::int64_t>(st.st_mtim.tv_nsec)));
  const std::string kept = cat(cache_dir, "/sites-", key.substr(0, 16));
  if (const auto table = load_table(kept)) return *table;
  const SiteTable table = search(path, owner);
  try {
    make_file(kept, cat(kFormat, std::string_view(reinterpret_cast<const char*>(&table), sizeof table)), 0600);
  } catch (const SystemError& error) {
    log::debug("preload", error.what());
  }
  return table;
}

}  // namespace

void find_sites(const std::string& library_dirs, const std::string& cache_dir, SiteTable (&tables)[kSiteTables]) {
  std::size_t used = 0;
  for (const Library& library : kLibraries) {
    for (const std::string& dir : split(library_dirs, ':')) {
      const std::string path = cat(dir, "/", library.name);
      struct stat st;
      if (::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
      try {
        tables[used++] = table_of(path, st, library.owner, cache_dir);
      } catch (const Error& error) {
        log::debug("preload", error.what());
      }
      break;
    }
  }
}

}  // namespace udocker::preload
