#if defined(__x86_64__)
#include "embedded/trap/runtime/abi.hpp"
#include "embedded/trap/runtime/decode.hpp"
#include "embedded/trap/runtime/sites.hpp"

#include <asm/unistd.h>

namespace udocker::trap {
namespace {

struct Found {
  uint64_t at;      // offset in the code
  uint32_t number;  // with `compare`: unused
  uint32_t compare;
  uint8_t size;     // 7 or 8
  bool dropped;
};

uint32_t word_at(const unsigned char* at) {
  return static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 | static_cast<uint32_t>(at[2]) << 16 |
         static_cast<uint32_t>(at[3]) << 24;
}

void put_word(unsigned char* at, uint64_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<unsigned char>(value >> (8 * i));
}

bool is_call(const unsigned char* at) { return at[0] == 0x0f && at[1] == 0x05; }

// Was a hot number loaded in the bytes before, with no other call between?
bool loads_hot_number(const unsigned char* code, uint64_t at) {
  for (uint64_t back = 5; back <= 32 && back <= at; ++back) {
    if (is_call(code + at - back)) return false;
    if (code[at - back] == 0xb8 && is_hot(word_at(code + at - back + 1))) return true;
  }
  return false;
}

uint32_t find_sites(const Code& code, Found* found) {
  uint32_t count = 0;
  for (uint64_t at = 0; at + 8 <= code.size && count < kMaxSites; ++at) {
    const unsigned char* here = code.bytes + at;
    if (!is_call(here)) continue;
    if (at >= 5 && here[-5] == 0xb8 && is_hot(word_at(here - 4))) {
      found[count++] = {at - 5, word_at(here - 4), 0, 7, false};
    } else if (here[2] == 0x48 && here[3] == 0x3d && loads_hot_number(code.bytes, at)) {
      found[count++] = {at, 0, word_at(here + 4), 8, false};
    }
  }
  return count;
}

// The site whose inside (not its first byte) holds `target`; null when there is none. Sites are in order.
Found* inside(Found* found, uint32_t count, uint64_t target) {
  uint32_t low = 0, high = count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (found[middle].at < target) low = middle + 1;
    else high = middle;
  }
  if (low == 0) return nullptr;
  Found& site = found[low - 1];
  return target < site.at + site.size ? &site : nullptr;
}

// False only when no run of instructions leads to `at`: any 15 neighbouring bytes hold the start of a real one, and
// from two such windows before it every start is followed.
bool may_begin(const Code& code, uint64_t at) {
  if (at < 96) return true;
  for (uint64_t back = 33; back < 80; ++back) {
    if (back == 48) back = 65;
    uint64_t here = at - back;
    while (here < at) {
      unsigned size = instruction_length(code.bytes + here);
      here += size ? size : 1;
    }
    if (here == at) return true;
  }
  return false;
}

// Every byte that can begin an instruction is taken for a jump: too careful rather than wrong.
void drop_jump_targets(const Code& code, Found* found, uint32_t count) {
  auto check = [&](uint64_t at, uint64_t target) {
    Found* site = inside(found, count, target);
    if (site && !site->dropped && may_begin(code, at)) site->dropped = true;
  };
  for (uint64_t at = 0; at + 6 <= code.size; ++at) {
    const unsigned char* here = code.bytes + at;
    unsigned char op = here[0];
    if (op == 0xe8 || op == 0xe9) {
      check(at, at + 5 + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(word_at(here + 1)))));
    } else if (op == 0x0f && (here[1] & 0xf0) == 0x80) {
      check(at, at + 6 + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(word_at(here + 2)))));
    } else if (op == 0xeb || (op & 0xf0) == 0x70 || (op & 0xfc) == 0xe0) {
      check(at, at + 2 + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(here[1]))));
    }
  }
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
  void load_bias(uint64_t data) { bytes("\x48\x8b\x0c\x25", 4).word(data); }          // mov data,%rcx
  void add_offset(uint64_t offset) { bytes("\x48\x8d\x89", 3).word(offset); }         // lea offset(%rcx),%rcx
  void jump_through(uint64_t pointer) { bytes("\xff\x24\x25", 3).word(pointer); }     // jmp *pointer
  unsigned char* at;
};

void write_stub(unsigned char* out, const Found& site, uint64_t resume, uint64_t data) {
  Assembler code(out);
  if (site.size == 7) {
    code.load_bias(data);
    code.add_offset(resume);
    code.bytes("\xb8", 1).word(site.number);  // mov $number,%eax
    code.jump_through(data + 8);
    return;
  }
  code.bytes("\x48\x8d\x0d", 3).word(7);  // lea behind the jump,%rcx
  code.jump_through(data + 8);
  code.bytes("\x48\x3d", 2).word(site.compare);  // cmp $compare,%rax
  code.load_bias(data);
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
    case __NR_rt_sigprocmask: case __NR_rt_sigaction: case __NR_getxattr: case __NR_lgetxattr:
    case __NR_listxattr: case __NR_llistxattr:
      return true;
    default:
      return false;
  }
}

size_t patch_sites(const Code& code, uint32_t region, unsigned char* stubs, size_t capacity, uint32_t* count) {
  Found found[kMaxSites];
  uint32_t sites = find_sites(code, found);
  drop_jump_targets(code, found, sites);
  uint64_t data = kStubsAt + region * kStubRegion, table = data + 0x1000;
  size_t stubs_at = (sites * 8 + 15) & ~size_t{15};
  uint32_t used = 0;
  for (uint32_t i = 0; i < sites; ++i) {
    const Found& site = found[i];
    if (site.dropped) continue;
    size_t at = stubs_at + used * kStubSize;
    if (at + kStubSize > capacity) break;
    write_stub(stubs + at, site, code.address + site.at + site.size, data);
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

}  // namespace udocker::trap
#endif
