// Numbers in ELF files: word size and byte order of one file, and the tables at its front as plain values.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace udocker::elf {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// How one file writes its numbers.
struct Codec {
  bool is64 = true;
  bool big = false;

  std::uint64_t get(const std::uint8_t* at, unsigned width) const;
  void put(std::uint8_t* at, unsigned width, std::uint64_t value) const;
  unsigned word() const { return is64 ? 8 : 4; }
  unsigned ehdr_size() const { return is64 ? 64 : 52; }
  unsigned phdr_size() const { return is64 ? 56 : 32; }
  unsigned shdr_size() const { return is64 ? 64 : 40; }
  unsigned dyn_size() const { return is64 ? 16 : 8; }
  unsigned sym_size() const { return is64 ? 24 : 16; }
};

struct Segment {
  std::uint32_t type = 0, flags = 0;
  std::uint64_t offset = 0, vaddr = 0, paddr = 0, filesz = 0, memsz = 0, align = 0;
};

struct Section {
  std::uint32_t name = 0, type = 0, link = 0, info = 0;
  std::uint64_t flags = 0, addr = 0, offset = 0, size = 0, align = 0, entsize = 0;
};

struct Dyn {
  std::int64_t tag = 0;
  std::uint64_t value = 0;
};

// The header and the two tables of a file.
struct Tables {
  Codec codec;
  std::uint8_t os_abi = 0;
  std::uint16_t type = 0, machine = 0, section_names = 0;
  std::uint64_t entry = 0, phoff = 0, shoff = 0;
  std::vector<Segment> segments;
  std::vector<Section> sections;  // empty when the file has none

  const Segment* find_segment(std::uint32_t type) const;
  // Where the `size` bytes at `vaddr` lie in the file; -1 when they are not all in one PT_LOAD's file part.
  std::int64_t offset_of(std::uint64_t vaddr, std::uint64_t size) const;
};

// True when `offset`..`offset + size` lies inside `total` bytes.
inline bool inside(std::uint64_t offset, std::uint64_t size, std::uint64_t total) {
  return offset <= total && size <= total - offset;
}

// True for bytes that begin as an ELF file does.
bool looks_like_elf(ByteView bytes);
// Throws IntegrityError when the bytes are no ELF file or a table, segment or section lies outside of them.
Tables parse_tables(ByteView bytes);
// Writes header fields and both tables at their places, which must lie inside `bytes`.
void store_tables(const Tables& tables, std::span<std::uint8_t> bytes);

}  // namespace udocker::elf
