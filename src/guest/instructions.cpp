#include "guest/instructions.hpp"

namespace udocker::guest {
namespace {

// What follows an opcode: m ModRM, b 8-bit, z 32-bit (16 with prefix 66), w 16-bit, q moffs, v 64-bit with REX.W,
// e 16+8-bit, g ModRM with an immediate for two of the group, d always 32-bit; upper case: ModRM and that; x invalid.
constexpr char kOne[] =
    "mmmmbzxxmmmmbzx." "mmmmbzxxmmmmbzxx" "mmmmbz.xmmmmbz.x" "mmmmbz.xmmmmbz.x"  // 00-3f; 0f is another map
    "................" "................" "xx.m....zZbB...." "bbbbbbbbbbbbbbbb"  // 40-7f
    "BZxBmmmmmmmmmmmm" "..........x....." "qqqq....bz......" "bbbbbbbbvvvvvvvv"  // 80-bf
    "BBw.xxBZe.w..bx." "mmmmxxx.mmmmmmmm" "bbbbbbbbddxb...." "......gg......mm";  // c0-ff
constexpr char kTwo[] =
    "mmmmx.....x.xm.B" "mmmmmmmmmmmmmmmm" "mmmmxxxxmmmmmmmm" "........xxxxxxxx"  // 00-3f
    "mmmmmmmmmmmmmmmm" "mmmmmmmmmmmmmmmm" "mmmmmmmmmmmmmmmm" "BBBBmmm.mmmmmmmm"  // 40-7f
    "dddddddddddddddd" "mmmmmmmmmmmmmmmm" "...mBmxx...mBmmm" "mmmmmmmmmmBmmmmm"  // 80-bf
    "mmBmBBBm........" "mmmmmmmmmmmmmmmm" "mmmmmmmmmmmmmmmm" "mmmmmmmmmmmmmmmm";  // c0-ff

// ModRM, SIB and displacement.
unsigned modrm_size(const unsigned char* at) {
  unsigned mod = at[0] >> 6, rm = at[0] & 7;
  if (mod == 3) return 1;
  unsigned size = 1;
  if (rm == 4) {
    ++size;
    if (mod == 0 && (at[1] & 7) == 5) size += 4;
  } else if (mod == 0 && rm == 5) {
    size += 4;
  }
  return size + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

unsigned operand_size(char kind, const unsigned char* at, bool wide, bool small) {
  unsigned z = small && !wide ? 2 : 4;
  switch (kind) {
    case '.': return 0;
    case 'm': return modrm_size(at);
    case 'b': return 1;
    case 'z': return z;
    case 'd': return 4;
    case 'w': return 2;
    case 'e': return 3;
    case 'q': return 8;
    case 'v': return wide ? 8 : z;
    case 'B': return modrm_size(at) + 1;
    case 'Z': return modrm_size(at) + z;
    default: return 0;
  }
}

bool is_prefix(unsigned char c) {
  return c == 0x66 || c == 0x67 || c == 0xf0 || c == 0xf2 || c == 0xf3 || c == 0x2e || c == 0x36 || c == 0x3e ||
         c == 0x26 || c == 0x64 || c == 0x65;
}

// VEX and EVEX: `head` bytes before the opcode of that map.
unsigned vector_length(const unsigned char* at, unsigned head, unsigned map) {
  unsigned char op = at[head];
  unsigned size = head + 1;
  if (map == 1 && op == 0x77) return size;
  size += modrm_size(at + size);
  if (map == 3 || (map == 1 && kTwo[op] == 'B')) ++size;
  return map >= 1 && map <= 7 ? size : 0;
}

}  // namespace

unsigned instruction_length(const unsigned char* code) {
  const unsigned char* at = code;
  bool small = false, wide = false;
  while (is_prefix(*at)) {
    if (*at == 0x66) small = true;
    if (++at - code > 14) return 0;
  }
  auto before = static_cast<unsigned>(at - code);
  if (*at == 0xc5) return before + vector_length(at, 2, 1);
  if (*at == 0xc4) return before + vector_length(at, 3, at[1] & 31);
  if (*at == 0x62) return before + vector_length(at, 4, at[1] & 7);
  if ((*at & 0xf0) == 0x40) wide = (*at++ & 8) != 0;
  char kind;
  if (*at != 0x0f) {
    unsigned char op = *at++;
    kind = kOne[op];
    if (kind == 'g') {
      bool immediate = ((at[0] >> 3) & 7) < 2;
      kind = !immediate ? 'm' : op == 0xf6 ? 'B' : 'Z';
    }
  } else if (at[1] == 0x38 || at[1] == 0x3a) {
    kind = at[1] == 0x38 ? 'm' : 'B';
    at += 3;
  } else {
    kind = kTwo[at[1]];
    at += 2;
  }
  if (kind == 'x') return 0;
  return static_cast<unsigned>(at - code) + operand_size(kind, at, wide, small);
}

}  // namespace udocker::guest
