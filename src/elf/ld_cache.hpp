// glibc's /etc/ld.so.cache (format "glibc-ld.so.cache1.1", read by every glibc since 2.2): read, extended, written. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::elf {

struct LdCacheEntry {
  std::string name, path;    // "libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"
  std::int32_t flags = 0;    // libc kind and architecture
  std::uint32_t os_version = 0;
  std::uint64_t hwcap = 0;   // with bit 62: an index into `hwcaps`
};

struct LdCache {
  std::vector<LdCacheEntry> entries;
  std::vector<std::string> hwcaps;  // names of glibc-hwcaps subdirectories
};

// Empty when `bytes` is no such cache; entries that lie outside of it are left out.
LdCache parse_ld_cache(std::string_view bytes);

// The file's bytes. Entries are sorted as the loader's search wants them; among those of one name the order given here
// stays, so that what is put first wins.
std::string format_ld_cache(const LdCache& cache);

// The flags of 64-bit libraries of this machine's kind ("x86_64", "aarch64"); 0x3 for others.
std::int32_t ld_cache_flags(std::string_view machine);

// The loader's order of names: runs of digits count as numbers. <0, 0, >0.
int compare_library_names(std::string_view a, std::string_view b);

}  // namespace udocker::elf
