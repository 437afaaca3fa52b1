#if defined(__x86_64__)
#include "embedded/trap/runtime/abi.hpp"
#include "embedded/trap/runtime/sites.hpp"
#include "guest/call_sites.hpp"

#include <asm/unistd.h>

namespace udocker::trap {
namespace {

void put_word(unsigned char* at, uint64_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<unsigned char>(value >> (8 * i));
}

class Assembler {
 public:
  explicit Assembler(unsigned char* out) : at(out) {}
  Assembler& bytes(const char* text, size_t size) {
    for (size_t i = 0; i < size; ++i) *at++ = static_cast<unsigned char>(text[i]);
    return *this;
  }
  Assembler& word(uint64_t value) {
    put_word(at, value);
    at += 4;
    return *this;
  }
  Assembler& address(uint64_t value) { return word(value).word(value >> 32); }
  void add_offset(uint64_t offset) { bytes("\x48\x8d\x89", 3).word(offset); }      // lea offset(%rcx),%rcx
  void jump_through(uint64_t pointer) { bytes("\xff\x24\x25", 3).word(pointer); }  // jmp *pointer
  unsigned char* at;
};

void write_stub(unsigned char* out, const guest::CallSite& site, uint64_t resume, uint32_t region) {
  Assembler code(out);
  uint64_t bias = offsetof(SiteTable, bias) + 8 * region;
  if (site.size == 7) {
    code.bytes("\x49\xbb", 2).address(kSiteTableAt);  // mov $table,%r11
    code.bytes("\x49\x8b\x8b", 3).word(bias);        // mov bias(%r11),%rcx
    code.add_offset(resume);
    code.bytes("\xb8", 1).word(site.number);  // mov $number,%eax
    code.bytes("\x41\xff\x23", 3);           // jmp *(%r11)
    return;
  }
  code.bytes("\x48\x8d\x0d", 3).word(13);          // lea behind the jump,%rcx
  code.bytes("\x49\xbb", 2).address(kSiteTableAt);  // mov $table,%r11
  code.bytes("\x41\xff\x23", 3);                   // jmp *(%r11)
  code.bytes("\x48\x3d", 2).word(site.compare);     // cmp $compare,%rax
  code.bytes("\x48\xb9", 2).address(kSiteTableAt);  // mov $table,%rcx
  code.bytes("\x48\x8b\x89", 3).word(bias);        // mov bias(%rcx),%rcx
  code.add_offset(resume);
  code.bytes("\xff\xe1", 2);  // jmp *%rcx
}

}  // namespace

bool is_hot(uint32_t number) {
  switch (number) {
    case __NR_open: case __NR_stat: case __NR_fstat: case __NR_lstat: case __NR_access: case __NR_getcwd:
    case __NR_chdir: case __NR_rename: case __NR_mkdir: case __NR_rmdir: case __NR_creat: case __NR_link:
    case __NR_unlink: case __NR_symlink: case __NR_readlink: case __NR_chmod: case __NR_chown: case __NR_lchown:
    case __NR_fchmod: case __NR_fchown: case __NR_utimes: case __NR_statfs: case __NR_openat: case __NR_mkdirat:
    case __NR_fchownat: case __NR_newfstatat: case __NR_unlinkat: case __NR_renameat: case __NR_linkat:
    case __NR_symlinkat: case __NR_readlinkat: case __NR_fchmodat: case __NR_faccessat: case __NR_utimensat:
    case __NR_renameat2: case __NR_statx: case __NR_openat2: case __NR_faccessat2: case 452:
    case __NR_rt_sigprocmask: case __NR_rt_sigaction: case __NR_mmap: case __NR_wait4: case __NR_getxattr: case __NR_lgetxattr:
    case __NR_listxattr: case __NR_llistxattr: case __NR_getdents64: case __NR_execve: case __NR_uname:
      return true;
    default:
      return false;
  }
}

size_t patch_sites(const Code& code, uint32_t region, unsigned char* stubs, size_t capacity, uint32_t* count) {
  guest::CallSite found[kMaxSites];
  const uint32_t sites = guest::find_call_sites(code.bytes, code.size, is_hot, found, kMaxSites);
  uint64_t table = kStubsAt + region * kStubRegion;
  size_t stubs_at = (sites * 8 + 15) & ~size_t{15};
  uint32_t used = 0;
  for (uint32_t i = 0; i < sites; ++i) {
    const guest::CallSite& site = found[i];
    if (site.dropped) continue;
    size_t at = stubs_at + used * kStubSize;
    if (at + kStubSize > capacity) break;
    write_stub(stubs + at, site, code.address + site.at + site.size, region);
    put_word(stubs + used * 8, table + at);
    put_word(stubs + used * 8 + 4, 0);
    unsigned char* here = code.bytes + site.at;
    Assembler(here).jump_through(table + used * 8);
    if (site.size == 8) here[7] = 0x90;
    ++used;
  }
  *count += used;
  return used ? stubs_at + used * kStubSize : 0;
}

uint64_t site_before(uint64_t pc) {
  if (pc - kStubsAt >= kStubWindow) return pc - 7;
  // The second half of a stub, see write_stub: cmp (6), mov $table (10), mov bias(%rcx) (7), lea offset(%rcx).
  auto* code = reinterpret_cast<const unsigned char*>(pc);
  auto value = [&](size_t at) { return static_cast<uint32_t>(code[at] | code[at + 1] << 8 | code[at + 2] << 16 | code[at + 3] << 24); };
  return *reinterpret_cast<const uint64_t*>(kSiteTableAt + value(19)) + value(26) - 8;
}

}  // namespace udocker::trap
#endif
