#include "elf/codec.hpp"

#include "util/error.hpp"

#include <elf.h>

#include <cstring>

namespace udocker::elf {

namespace {

[[noreturn]] void damaged(std::string_view what) {
  throw IntegrityError("damaged ELF file: " + std::string(what));
}

// Offsets of the fields that differ between 32 and 64 bit come from walking the fields in order.
class Cursor {
 public:
  Cursor(const Codec& codec, const std::uint8_t* at) : codec_(codec), at_(at) {}
  std::uint64_t take(unsigned width) {
    const std::uint64_t value = codec_.get(at_, width);
    at_ += width;
    return value;
  }
  std::uint64_t word() { return take(codec_.word()); }

 private:
  const Codec& codec_;
  const std::uint8_t* at_;
};

class Pen {
 public:
  Pen(const Codec& codec, std::uint8_t* at) : codec_(codec), at_(at) {}
  void put(unsigned width, std::uint64_t value) {
    codec_.put(at_, width, value);
    at_ += width;
  }
  void word(std::uint64_t value) { put(codec_.word(), value); }
  void skip(unsigned width) { at_ += width; }

 private:
  const Codec& codec_;
  std::uint8_t* at_;
};

Segment load_segment(const Codec& codec, const std::uint8_t* at) {
  Cursor in(codec, at);
  Segment s;
  s.type = static_cast<std::uint32_t>(in.take(4));
  if (codec.is64) s.flags = static_cast<std::uint32_t>(in.take(4));
  s.offset = in.word();
  s.vaddr = in.word();
  s.paddr = in.word();
  s.filesz = in.word();
  s.memsz = in.word();
  if (!codec.is64) s.flags = static_cast<std::uint32_t>(in.take(4));
  s.align = in.word();
  return s;
}

Section load_section(const Codec& codec, const std::uint8_t* at) {
  Cursor in(codec, at);
  Section s;
  s.name = static_cast<std::uint32_t>(in.take(4));
  s.type = static_cast<std::uint32_t>(in.take(4));
  s.flags = in.word();
  s.addr = in.word();
  s.offset = in.word();
  s.size = in.word();
  s.link = static_cast<std::uint32_t>(in.take(4));
  s.info = static_cast<std::uint32_t>(in.take(4));
  s.align = in.word();
  s.entsize = in.word();
  return s;
}

}  // namespace

std::uint64_t Codec::get(const std::uint8_t* at, unsigned width) const {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; i++) value = value << 8 | at[big ? i : width - 1 - i];
  return value;
}

void Codec::put(std::uint8_t* at, unsigned width, std::uint64_t value) const {
  for (unsigned i = 0; i < width; i++, value >>= 8)
    at[big ? width - 1 - i : i] = static_cast<std::uint8_t>(value);
}

const Segment* Tables::find_segment(std::uint32_t wanted) const {
  for (const Segment& s : segments)
    if (s.type == wanted) return &s;
  return nullptr;
}

std::int64_t Tables::offset_of(std::uint64_t vaddr, std::uint64_t size) const {
  for (const Segment& s : segments) {
    if (s.type != PT_LOAD || vaddr < s.vaddr || !inside(vaddr - s.vaddr, size, s.filesz)) continue;
    return static_cast<std::int64_t>(s.offset + (vaddr - s.vaddr));
  }
  return -1;
}

bool looks_like_elf(ByteView bytes) {
  return bytes.size() >= EI_NIDENT && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
}

Tables parse_tables(ByteView bytes) {
  if (!looks_like_elf(bytes)) throw IntegrityError("not an ELF executable");
  Tables t;
  const std::uint8_t klass = bytes[EI_CLASS], data = bytes[EI_DATA];
  if ((klass != ELFCLASS32 && klass != ELFCLASS64) || (data != ELFDATA2LSB && data != ELFDATA2MSB) ||
      bytes[EI_VERSION] != EV_CURRENT)
    damaged("unknown class, byte order or version");
  t.codec = {klass == ELFCLASS64, data == ELFDATA2MSB};
  t.os_abi = bytes[EI_OSABI];
  const Codec& codec = t.codec;
  if (bytes.size() < codec.ehdr_size()) damaged("header is cut off");

  Cursor in(codec, bytes.data() + EI_NIDENT);
  t.type = static_cast<std::uint16_t>(in.take(2));
  t.machine = static_cast<std::uint16_t>(in.take(2));
  in.take(4);
  t.entry = in.word();
  t.phoff = in.word();
  t.shoff = in.word();
  in.take(4);
  in.take(2);
  const auto phentsize = in.take(2);
  const auto phnum = in.take(2);
  const auto shentsize = in.take(2);
  std::uint64_t shnum = in.take(2);
  t.section_names = static_cast<std::uint16_t>(in.take(2));

  if (phnum == PN_XNUM) damaged("too many program headers");
  if (phnum != 0) {
    if (phentsize != codec.phdr_size()) damaged("program headers of unknown size");
    if (!inside(t.phoff, phnum * phentsize, bytes.size())) damaged("program headers are outside the file");
    for (std::uint64_t i = 0; i < phnum; i++) {
      const Segment s = load_segment(codec, bytes.data() + t.phoff + i * phentsize);
      if (s.type != PT_NULL && s.type != PT_GNU_STACK && !inside(s.offset, s.filesz, bytes.size()))
        damaged("a segment is outside the file");
      if (s.type == PT_LOAD && (s.memsz < s.filesz || s.vaddr + s.memsz < s.vaddr)) damaged("impossible segment size");
      t.segments.push_back(s);
    }
  }
  if (t.shoff != 0) {
    if (shentsize != codec.shdr_size()) damaged("section headers of unknown size");
    if (!inside(t.shoff, codec.shdr_size(), bytes.size())) damaged("section headers are outside the file");
    if (shnum == 0) shnum = load_section(codec, bytes.data() + t.shoff).size;
    if (shnum > bytes.size() / codec.shdr_size() || !inside(t.shoff, shnum * codec.shdr_size(), bytes.size()))
      damaged("section headers are outside the file");
    for (std::uint64_t i = 0; i < shnum; i++) {
      const Section s = load_section(codec, bytes.data() + t.shoff + i * codec.shdr_size());
      if (i != 0 && s.type != SHT_NOBITS && s.type != SHT_NULL && !inside(s.offset, s.size, bytes.size()))
        damaged("a section is outside the file");
      t.sections.push_back(s);
    }
  }
  return t;
}

void store_tables(const Tables& t, std::span<std::uint8_t> bytes) {
  const Codec& codec = t.codec;
  bytes[EI_OSABI] = t.os_abi;
  // e_phoff and e_shoff follow e_type, e_machine, e_version and e_entry.
  const unsigned phoff_at = EI_NIDENT + 8 + codec.word();
  codec.put(bytes.data() + phoff_at, codec.word(), t.phoff);
  codec.put(bytes.data() + phoff_at + codec.word(), codec.word(), t.shoff);
  // e_phnum follows e_flags, e_ehsize and e_phentsize.
  codec.put(bytes.data() + phoff_at + 2 * codec.word() + 8, 2, t.segments.size());

  for (std::size_t i = 0; i < t.segments.size(); i++) {
    const Segment& s = t.segments[i];
    Pen out(codec, bytes.data() + t.phoff + i * codec.phdr_size());
    out.put(4, s.type);
    if (codec.is64) out.put(4, s.flags);
    out.word(s.offset);
    out.word(s.vaddr);
    out.word(s.paddr);
    out.word(s.filesz);
    out.word(s.memsz);
    if (!codec.is64) out.put(4, s.flags);
    out.word(s.align);
  }
  for (std::size_t i = 0; i < t.sections.size(); i++) {
    const Section& s = t.sections[i];
    Pen out(codec, bytes.data() + t.shoff + i * codec.shdr_size());
    out.put(4, s.name);
    out.put(4, s.type);
    out.word(s.flags);
    out.word(s.addr);
    out.word(s.offset);
    out.word(s.size);
    out.put(4, s.link);
    out.put(4, s.info);
    out.word(s.align);
    out.word(s.entsize);
  }
}

}  // namespace udocker::elf
