// The format of patched copies (see libraries.hpp) and how they are made.
//
// A site `mov $nr,%eax; syscall` (7 bytes) becomes `jmp *table[i]`, and so does `syscall; cmp $imm32,%rax` (8 bytes)
// where the number was loaded shortly before. The table and its stubs live at a fixed low address, one region per
// copy, so that the copy's code pages and the stubs are the same in all processes and stay shared; what differs, the
// place of the code, stubs read from SiteTable. A site is left alone when any byte sequence of the code could be a jump
// into its middle.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace udocker::trap {

// Both change with the format: copies of other versions are not looked at.
inline constexpr uint64_t kCopyMagic = 0x3579706f6374726b;
inline constexpr const char* kCopyName = "copy6-";

// Last bytes of a copy.
struct CopyTail {
  uint64_t magic, stubs_at, stubs_size, original_size;
  uint32_t region, sites;
};

struct Code {  // an executable segment of the file, in memory
  unsigned char* bytes;
  uint64_t size, address;
};

// True for numbers whose sites are worth a stub.
bool is_hot(uint32_t number);

// Finds sites in `code`, patches them and writes table and stubs for `region` to `stubs` (capacity bytes).
// `count` sites so far are counted on. Returns the stubs' size, 0 when there is no site.
size_t patch_sites(const Code& code, uint32_t region, unsigned char* stubs, size_t capacity, uint32_t* count);

// The site whose call goes on at `pc` (in a stub where that repeats the site's comparison).
uint64_t site_before(uint64_t pc);

inline constexpr uint32_t kMaxSites = 220;
inline constexpr size_t kStubSize = 64;

}  // namespace udocker::trap
