#include "guest/call_sites.hpp"

#include "guest/instructions.hpp"

namespace udocker::guest {

namespace {

constexpr uint32_t kNumbers = 1024;  // more than there are system calls

uint32_t word_at(const unsigned char* at) {
  return static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 | static_cast<uint32_t>(at[2]) << 16 |
         static_cast<uint32_t>(at[3]) << 24;
}


bool is_call(const unsigned char* at) { return at[0] == 0x0f && at[1] == 0x05; }

// Was a wanted number loaded in the bytes before, with no other call between?
bool loads_number(const unsigned char* code, uint64_t at, bool (*wanted)(uint32_t), uint64_t range = 32) {
  for (uint64_t back = 5; back <= range && back <= at; ++back) {
    if (is_call(code + at - back)) return false;
    if (code[at - back] == 0xb8 && wanted(word_at(code + at - back + 1))) return true;
  }
  return false;
}

uint32_t list_sites(const unsigned char* code, uint64_t size, bool (*wanted)(uint32_t), CallSite* found, uint32_t capacity, bool musl) {
  uint32_t count = 0;
  for (uint64_t at = 0; at + 8 <= size && count < capacity; ++at) {
    const unsigned char* here = code + at;
    if (!is_call(here)) continue;
    if (at >= 5 && here[-5] == 0xb8 && word_at(here - 4) < kNumbers) {
      if (wanted(word_at(here - 4))) found[count++] = {at - 5, word_at(here - 4), 0, 7, false};
    } else if (here[2] == 0x48 && here[3] == 0x3d && loads_number(code, at, wanted)) {
      found[count++] = {at, 0, word_at(here + 4), 8, false};
    } else if (musl && here[2] == 0x48 && here[3] == 0x89 && here[4] == 0xc7 && here[5] == 0xe8 && loads_number(code, at, wanted, 64)) {
      found[count++] = {at, 0, 0, 5, false};
    }
  }
  return count;
}

// The site whose inside (not its first byte) holds `target`; null when there is none. Sites are in order.
CallSite* inside(CallSite* found, uint32_t count, uint64_t target) {
  uint32_t low = 0, high = count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (found[middle].at < target) low = middle + 1;
    else high = middle;
  }
  if (low == 0) return nullptr;
  CallSite& site = found[low - 1];
  return target < site.at + site.size ? &site : nullptr;
}

// False only when no run of instructions leads to `at`: any 15 neighbouring bytes hold the start of a real one, and
// from two such windows before it every start is followed.
bool may_begin(const unsigned char* code, uint64_t at) {
  if (at < 96) return true;
  for (uint64_t back = 33; back < 80; ++back) {
    if (back == 48) back = 65;
    uint64_t here = at - back;
    while (here < at) {
      unsigned size = instruction_length(code + here);
      here += size ? size : 1;
    }
    if (here == at) return true;
  }
  return false;
}

// Every byte that can begin an instruction is taken for a jump: too careful rather than wrong.
void drop_jump_targets(const unsigned char* code, uint64_t size, CallSite* found, uint32_t count) {
  // Most targets are far from all sites: a bit per block of 16 bytes, wrapped around, says so at once.
  uint64_t near[64] = {};
  for (uint32_t i = 0; i < count; ++i)
    for (uint64_t block = found[i].at >> 4; block <= (found[i].at + found[i].size - 1) >> 4; ++block)
      near[block >> 6 & 63] |= uint64_t{1} << (block & 63);
  const auto check = [&](uint64_t at, uint64_t target) {
    if (!(near[target >> 10 & 63] >> (target >> 4 & 63) & 1)) return;
    CallSite* site = inside(found, count, target);
    if (site && !site->dropped && may_begin(code, at)) site->dropped = true;
  };
  for (uint64_t at = 0; at + 6 <= size; ++at) {
    const unsigned char* here = code + at;
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

}  // namespace

uint32_t find_call_sites(const unsigned char* code, uint64_t size, bool (*wanted)(uint32_t number), CallSite* found,
                         uint32_t capacity, bool musl) {
  const uint32_t count = list_sites(code, size, wanted, found, capacity, musl);
  drop_jump_targets(code, size, found, count);
  return count;
}

uint32_t find_cancel_calls(const unsigned char* code, uint64_t size, bool (*wanted)(uint32_t number), CallSite* found,
                           uint32_t capacity, uint64_t* target) {
  constexpr int kBetween = 6;  // instructions
  uint32_t count = 0;
  for (uint64_t at = 0; at + 64 <= size && count < capacity; ++at) {
    const bool wide = code[at] == 0x68, small = code[at] == 0x6a;
    if (!wide && !small) continue;
    const uint32_t number = wide ? word_at(code + at + 1) : code[at + 1];
    if (number >= kNumbers || !wanted(number)) continue;
    uint64_t here = at + (wide ? 5 : 2);
    for (int i = 0; i < kBetween && code[here] != 0xe8; ++i) {
      const unsigned length = instruction_length(code + here);
      if (!length) break;
      here += length;
    }
    if (code[here] != 0xe8) continue;
    const uint64_t goes_to = here + 5 + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(word_at(code + here + 1))));
    if (goes_to >= size) continue;
    // Five bytes of a long number are no chance; two bytes may be.
    if (count == 0 && wide) *target = goes_to;
    if (count == 0 ? !wide : goes_to != *target) continue;
    found[count++] = {here, number, 0, 5, false};
  }
  return count;
}

}  // namespace udocker::guest
