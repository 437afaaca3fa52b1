#include "elf/placement.hpp"

#include "util/error.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace udocker::elf {

namespace {

constexpr std::uint64_t kMaxZeroPart = 64u << 20;

constexpr const char* kNoAddresses = "no room left in the file's address space";

std::uint64_t align_up(std::uint64_t value, std::uint64_t align) {
  return align <= 1 ? value : (value + align - 1) / align * align;
}

bool overlaps(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size) {
  return a_size != 0 && b_size != 0 && a < b + b_size && b < a + a_size;
}

bool in_file(const Section& s) { return s.type != SHT_NULL && s.type != SHT_NOBITS && s.size != 0; }

// Program headers whose bytes may lie anywhere, as long as header and bytes move together.
bool movable(const Segment& s) {
  return s.type == PT_INTERP || s.type == PT_NOTE || s.type == PT_GNU_PROPERTY;
}

// Tables that are found through one dynamic entry only.
constexpr std::int64_t kTableTags[] = {DT_GNU_HASH, DT_HASH, DT_SYMTAB, DT_VERSYM, DT_VERNEED, DT_VERDEF};

}  // namespace

Placement::Placement(Editor& editor) : e_(editor), t_(editor.tables_) {}

std::uint64_t Placement::page_size() const {
  if (e_.options_.page_size != 0) return e_.options_.page_size;
  switch (t_.machine) {
    case EM_ALPHA: case EM_IA_64: case EM_MIPS: case EM_PPC: case EM_PPC64: case EM_AARCH64: case EM_TILEGX: case 258:
      return 0x10000;
    case EM_SPARC: case EM_SPARC32PLUS: case EM_SPARCV9: return 0x2000;
    default: return 0x1000;
  }
}

void Placement::collect() {
  for (Segment& s : t_.segments) {
    if (s.type != PT_INTERP || !e_.interpreter_) continue;
    const std::string& path = *e_.interpreter_;
    Bytes text(path.begin(), path.end());
    text.push_back(0);
    if (text.size() <= s.filesz) {
      std::memset(e_.bytes_.data() + s.offset, 0, s.filesz);
      std::memcpy(e_.bytes_.data() + s.offset, text.data(), text.size());
      for (Section& section : t_.sections)
        if (in_file(section) && section.offset == s.offset && section.size == s.filesz) section.size = text.size();
      s.filesz = s.memsz = text.size();
    } else {
      blocks_.push_back({Part::interpreter, std::move(text), 1, s.vaddr, s.filesz});
    }
    break;
  }
  if (e_.dynamic_.size() + 1 > e_.dynamic_capacity_ && e_.dynamic_capacity_ != 0) {
    const Segment* s = t_.find_segment(PT_DYNAMIC);
    blocks_.push_back({Part::dynamic, Bytes((e_.dynamic_.size() + 5) * t_.codec.dyn_size()), t_.codec.word(), s->vaddr,
                       s->filesz});
  }
}

void Placement::collect_strings() {
  if (e_.strings_.size() == e_.strings_size_) return;
  const Dyn* entry = e_.find_dyn(DT_STRTAB);
  blocks_.push_back({Part::strings, Bytes(e_.strings_.begin(), e_.strings_.end()), 1, entry->value, e_.strings_size_});
}

std::uint64_t Placement::total_size(std::uint64_t start) const {
  std::uint64_t at = start;
  for (const Block& block : blocks_) at = align_up(at, block.align) + block.bytes.size();
  return at - start;
}

Segment* Placement::last_load() {
  Segment* last = nullptr;
  for (Segment& s : t_.segments)
    if (s.type == PT_LOAD && (last == nullptr || s.vaddr + s.memsz >= last->vaddr + last->memsz)) last = &s;
  return last;
}

// Nothing that is loaded lies in the file behind the end of this segment.
bool Placement::ends_the_loads(const Segment& load) const {
  const std::uint64_t end = load.offset + load.filesz;
  if (end < t_.codec.ehdr_size()) return false;
  for (const Segment& s : t_.segments)
    if (s.type != PT_NULL && s.filesz != 0 && s.offset + s.filesz > end) return false;
  for (const Section& s : t_.sections)
    if (in_file(s) && ((s.flags & SHF_ALLOC) != 0 || s.offset < end) && s.offset + s.size > end) return false;
  if (t_.phoff + t_.segments.size() * t_.codec.phdr_size() > end) return false;
  return t_.shoff == 0 || t_.shoff >= end || t_.shoff + t_.sections.size() * t_.codec.shdr_size() <= end;
}

bool Placement::can_extend(const Segment& load) const {
  return load.filesz != 0 && load.filesz == load.memsz && (load.flags & PF_X) == 0 && ends_the_loads(load);
}

// Loaders write into the dynamic table.
std::uint32_t Placement::wanted_flags() const {
  const auto dynamic = [](const Block& b) { return b.part == Part::dynamic; };
  return PF_R | (std::any_of(blocks_.begin(), blocks_.end(), dynamic) ? PF_W : 0u);
}

// Shifts what lies behind `offset`; the amount keeps the alignment of everything that moves.
void Placement::insert_bytes(std::uint64_t offset, std::uint64_t size) {
  std::uint64_t align = t_.codec.word();
  for (const Section& s : t_.sections)
    if (in_file(s) && s.offset >= offset && s.align <= 4096) align = std::max(align, s.align);
  const std::uint64_t shift = offset == e_.bytes_.size() ? size : align_up(size, align);
  e_.bytes_.insert(e_.bytes_.begin() + static_cast<std::ptrdiff_t>(offset), shift, 0);
  if (t_.shoff >= offset) t_.shoff += shift;
  for (Section& s : t_.sections)
    if (s.type != SHT_NULL && s.offset >= offset && (in_file(s) || (s.flags & SHF_ALLOC) == 0)) s.offset += shift;
}

void Placement::place(std::uint64_t offset, std::uint64_t address) {
  for (Block& block : blocks_) {
    const std::uint64_t pad = align_up(address, block.align) - address;
    offset += pad;
    address += pad;
    block.offset = offset;
    block.address = address;
    offset += block.bytes.size();
    address += block.bytes.size();
  }
}

void Placement::require_addresses(std::uint64_t address, std::uint64_t size) const {
  const std::uint64_t limit = t_.codec.is64 ? ~std::uint64_t{0} >> 1 : 0xffffffffu;
  if (!inside(address, size, limit)) throw Error(kNoAddresses);
}

void Placement::extend(Segment& load) {
  const std::uint64_t end = load.offset + load.filesz, address = load.vaddr + load.filesz;
  const std::uint64_t size = total_size(address);
  require_addresses(address, size);
  insert_bytes(end, size);
  load.filesz += size;
  load.memsz += size;
  load.flags |= wanted_flags();
  place(end, address);
}

// New strings at the end of a table that already ends the last segment: no copy of the old ones is needed.
bool Placement::grow_strings_at_end() {
  if (blocks_.size() != 1 || blocks_[0].part != Part::strings) return false;
  Segment* load = last_load();
  Block& block = blocks_[0];
  if (load == nullptr || !can_extend(*load) || block.old_address + block.old_size != load->vaddr + load->filesz)
    return false;
  const std::uint64_t grown = block.bytes.size() - block.old_size;
  require_addresses(load->vaddr + load->filesz, grown);
  insert_bytes(load->offset + load->filesz, grown);
  load->filesz += grown;
  load->memsz += grown;
  block.address = block.old_address;
  block.offset = load->offset + (block.address - load->vaddr);
  return true;
}

bool Placement::gap_after_headers() const {
  if (t_.sections.empty()) return false;
  const unsigned step = t_.codec.phdr_size();
  const std::uint64_t end = t_.phoff + t_.segments.size() * step;
  if (!inside(end, step, e_.bytes_.size())) return false;
  bool mapped = false;
  for (const Segment& s : t_.segments) {
    if (s.type == PT_LOAD && s.offset <= t_.phoff && inside(t_.phoff - s.offset, end + step - t_.phoff, s.filesz))
      mapped = true;
    if (s.type != PT_LOAD && s.type != PT_PHDR && overlaps(end, step, s.offset, s.filesz)) return false;
    if (s.type == PT_LOAD && s.offset >= end && overlaps(end, step, s.offset, s.filesz)) return false;
  }
  for (const Section& s : t_.sections)
    if (in_file(s) && overlaps(end, step, s.offset, s.size)) return false;
  return mapped && !overlaps(end, step, t_.shoff, t_.sections.size() * t_.codec.shdr_size());
}

// Gives the parts that lie right behind the program headers a new place, so that one more header fits.
bool Placement::move_parts_after_headers() {
  if (t_.sections.empty()) return false;
  const unsigned step = t_.codec.phdr_size();
  const std::uint64_t end = t_.phoff + t_.segments.size() * step;
  std::vector<Block> moved;
  const auto handled = [&](std::uint64_t address, std::uint64_t size) {
    const auto covers = [&](const Block& b) {
      return address >= b.old_address && address + size <= b.old_address + b.old_size;
    };
    return std::any_of(moved.begin(), moved.end(), covers) || std::any_of(blocks_.begin(), blocks_.end(), covers);
  };
  const auto add = [&](std::uint64_t offset, std::uint64_t address, std::uint64_t size, std::uint64_t align) {
    if (handled(address, size)) return;
    const auto* from = e_.bytes_.data() + offset;
    moved.push_back({Part::moved, Bytes(from, from + size), std::clamp<std::uint64_t>(align, 4, 64), address, size});
  };
  for (const Segment& s : t_.segments)
    if (movable(s) && overlaps(end, step, s.offset, s.filesz)) add(s.offset, s.vaddr, s.filesz, s.align);
  for (const Section& s : t_.sections) {
    if (!in_file(s) || !overlaps(end, step, s.offset, s.size) || handled(s.addr, s.size)) continue;
    const bool table = std::any_of(std::begin(kTableTags), std::end(kTableTags), [&](std::int64_t tag) {
      const Dyn* entry = e_.find_dyn(tag);
      return entry != nullptr && entry->value == s.addr;
    });
    if (!table || (s.flags & SHF_ALLOC) == 0) return false;
    add(s.offset, s.addr, s.size, s.align);
  }
  // Taken out of the way they leave a gap; look at it as the file will be.
  Tables before = t_;
  for (Section& s : t_.sections)
    if (handled(s.addr, s.size) && (s.flags & SHF_ALLOC) != 0) s.type = SHT_NOBITS;
  for (Segment& s : t_.segments)
    if (movable(s) && handled(s.vaddr, s.filesz)) s.filesz = 0;
  const bool gap = gap_after_headers();
  t_ = std::move(before);
  if (!gap) return false;
  // Strings stay last, so that they can grow in place the next time.
  const auto strings = std::find_if(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.part == Part::strings; });
  blocks_.insert(strings, moved.begin(), moved.end());
  return true;
}

bool Placement::header_room() {
  for (const Segment& s : t_.segments)
    if (s.type == PT_NULL) return true;
  return gap_after_headers() || move_parts_after_headers();
}

void Placement::add_segment() {
  const std::uint64_t page = page_size();
  std::uint64_t top = 0;
  std::size_t behind = 0;
  for (std::size_t i = 0; i < t_.segments.size(); i++) {
    if (t_.segments[i].type != PT_LOAD) continue;
    top = std::max(top, t_.segments[i].vaddr + t_.segments[i].memsz);
    behind = i + 1;
  }
  const std::uint64_t address = align_up(top, page), offset = align_up(e_.bytes_.size(), page);
  const std::uint64_t size = total_size(address);
  if (address < top) throw Error(kNoAddresses);
  require_addresses(address, size);
  e_.bytes_.resize(offset + size);
  const auto unused =
      std::find_if(t_.segments.begin(), t_.segments.end(), [](const Segment& s) { return s.type == PT_NULL; });
  if (unused != t_.segments.end()) {
    if (static_cast<std::size_t>(unused - t_.segments.begin()) < behind) behind--;
    t_.segments.erase(unused);
  } else {
    for (Segment& s : t_.segments)
      if (s.type == PT_PHDR) {
        s.filesz += t_.codec.phdr_size();
        s.memsz += t_.codec.phdr_size();
      }
  }
  t_.segments.insert(t_.segments.begin() + static_cast<std::ptrdiff_t>(behind),
                     {PT_LOAD, wanted_flags(), offset, address, address, size, size, page});
  place(offset, address);
}

// The zero-filled part becomes bytes of the file, so that the segment can be extended.
void Placement::fill_zero_part(Segment& load) {
  const std::uint64_t missing = load.memsz - load.filesz, end = load.offset + load.filesz;
  if (load.filesz == 0 || missing > kMaxZeroPart || (load.flags & PF_X) != 0 || !ends_the_loads(load))
    throw Error("the file has no room for another program header");
  insert_bytes(end, missing);
  for (Section& s : t_.sections) {
    if (s.type != SHT_NOBITS || (s.flags & SHF_ALLOC) == 0 || (s.flags & SHF_TLS) != 0) continue;
    if (s.addr < load.vaddr || !inside(s.addr - load.vaddr, s.size, load.memsz)) continue;
    s.type = SHT_PROGBITS;
    s.offset = load.offset + (s.addr - load.vaddr);
  }
  load.filesz = load.memsz;
}

void Placement::apply() {
  collect();
  collect_strings();
  if (!blocks_.empty() && !grow_strings_at_end()) {
    Segment* load = last_load();
    if (load == nullptr) throw IntegrityError("damaged ELF file: nothing of it is loaded");
    if (can_extend(*load)) {
      extend(*load);
    } else if (header_room()) {
      add_segment();
    } else {
      load = last_load();  // looking for room has made the tables anew
      fill_zero_part(*load);
      extend(*load);
    }
  }
  for (const Block& block : blocks_) write_block(block);
  store_dynamic();
  if (t_.phoff + t_.segments.size() * t_.codec.phdr_size() > e_.bytes_.size())
    throw IntegrityError("damaged ELF file: program headers are outside the file");
  store_tables(t_, e_.bytes_);
}

void Placement::redirect(std::int64_t tag, std::uint64_t address) {
  if (Dyn* entry = e_.find_dyn(tag)) entry->value = address;
}

void Placement::write_block(const Block& block) {
  std::memcpy(e_.bytes_.data() + block.offset, block.bytes.data(), block.bytes.size());
  const std::uint64_t size = block.bytes.size();
  for (Segment& s : t_.segments) {
    const bool carried = (block.part == Part::interpreter && s.type == PT_INTERP) ||
                         (block.part == Part::dynamic && s.type == PT_DYNAMIC);
    if (carried) {
      s.filesz = s.memsz = size;
      s.offset = block.offset;
      s.vaddr = s.paddr = block.address;
    } else if (block.part == Part::moved && movable(s) && s.filesz != 0 && s.vaddr >= block.old_address &&
               s.vaddr + s.filesz <= block.old_address + block.old_size) {
      s.offset = block.offset + (s.vaddr - block.old_address);
      s.vaddr = s.paddr = block.address + (s.vaddr - block.old_address);
    }
  }
  if (block.part == Part::strings) {
    redirect(DT_STRTAB, block.address);
    redirect(DT_STRSZ, size);
  } else if (block.part == Part::moved) {
    for (const std::int64_t tag : kTableTags)
      if (Dyn* entry = e_.find_dyn(tag); entry != nullptr && entry->value == block.old_address) entry->value = block.address;
  }
  move_sections(block);
}

void Placement::move_sections(const Block& block) {
  for (std::size_t i = 0; i < t_.sections.size(); i++) {
    Section& s = t_.sections[i];
    if (!in_file(s) || (s.flags & SHF_ALLOC) == 0 || s.addr < block.old_address) continue;
    const std::uint64_t at = s.addr - block.old_address;
    if (at != 0 && block.part != Part::moved) continue;
    if (block.part == Part::moved ? at + s.size > block.old_size : false) continue;
    if (block.part == Part::strings && s.type != SHT_STRTAB) continue;
    if (block.part == Part::dynamic && s.type != SHT_DYNAMIC) continue;
    if (block.part == Part::interpreter && s.size != block.old_size) continue;
    const std::uint64_t delta = block.address + at - s.addr;
    s.addr += delta;
    s.offset = block.offset + at;
    if (block.part != Part::moved) s.size = block.bytes.size();
    if (delta != 0) move_symbols(i, delta);
  }
}

void Placement::move_symbols(std::size_t section, std::uint64_t delta) {
  const Codec& codec = t_.codec;
  for (const Section& s : t_.sections) {
    if (s.type != SHT_SYMTAB && s.type != SHT_DYNSYM) continue;
    const unsigned step = codec.sym_size();
    for (std::uint64_t at = 0; at + step <= s.size; at += step) {
      std::uint8_t* symbol = e_.bytes_.data() + s.offset + at;
      if (codec.get(symbol + (codec.is64 ? 6 : 14), 2) != section) continue;
      std::uint8_t* value = symbol + (codec.is64 ? 8 : 4);
      codec.put(value, codec.word(), codec.get(value, codec.word()) + delta);
    }
  }
}

void Placement::store_dynamic() {
  const Segment* segment = t_.find_segment(PT_DYNAMIC);
  if (segment == nullptr || segment->filesz == 0) return;
  const Codec& codec = t_.codec;
  const unsigned word = codec.word(), step = codec.dyn_size();
  for (const Block& block : blocks_) {
    if (block.part != Part::dynamic) continue;
    // The first word of the global offset table holds the address of the dynamic table on most machines.
    if (const Dyn* got = e_.find_dyn(DT_PLTGOT)) {
      const std::int64_t offset = t_.offset_of(got->value, word);
      if (offset >= 0 && codec.get(e_.bytes_.data() + offset, word) == block.old_address)
        codec.put(e_.bytes_.data() + offset, word, block.address);
    }
    // DT_MIPS_RLD_MAP_REL counts from its own place in the table.
    for (std::size_t i = 0; t_.machine == EM_MIPS && i < e_.dynamic_.size(); i++)
      if (e_.dynamic_[i].tag == kMipsRldMapRel)
        e_.dynamic_[i].value += block.old_address + e_.mips_map_index_ * step - (block.address + i * step);
  }
  const std::size_t room = segment->filesz / step;
  std::uint8_t* out = e_.bytes_.data() + segment->offset;
  for (std::size_t i = 0; i < room; i++, out += step) {
    const Dyn entry = i < e_.dynamic_.size() ? e_.dynamic_[i] : Dyn{};
    codec.put(out, word, static_cast<std::uint64_t>(entry.tag));
    codec.put(out + word, word, entry.value);
  }
}

}  // namespace udocker::elf
