// Small ELF files of every word size and byte order, made for tests.
#pragma once
#include "elf/codec.hpp"

#include <elf.h>

#include <cstring>
#include <string>
#include <vector>

namespace udocker::elf {

struct SampleOptions {
  bool is64 = true, big = false;
  std::uint16_t machine = EM_X86_64;
  bool with_interpreter = true;
  unsigned spare_dynamic = 4;   // DT_NULL entries behind the used ones
  std::uint64_t bss = 0x40;     // zero-filled bytes behind the data
  bool room_after_headers = false;
  std::string interpreter = "/lib/ld.so";
  std::vector<std::string> needed = {"libone.so.1", "libc.so.6"};
  std::string rpath;
};

// Headers, interpreter, a note, symbols, hash table, strings, dynamic table and data in two loaded segments; section
// names and headers behind them. Symbols: undefined `wanted`, defined `alpha` and `beta`.
inline Bytes make_sample(const SampleOptions& o = {}) {
  const Codec codec{o.is64, o.big};
  const unsigned word = codec.word();
  std::string strings("\0", 1);
  const auto add = [&](const std::string& s) {
    const std::size_t at = strings.size();
    strings += s + '\0';
    return at;
  };
  std::vector<Dyn> dynamic;
  for (const std::string& name : o.needed) dynamic.push_back({DT_NEEDED, add(name)});
  if (!o.rpath.empty()) dynamic.push_back({DT_RPATH, add(o.rpath)});
  const std::size_t symbol_names[] = {0, add("wanted"), add("alpha"), add("beta")};

  Tables t;
  t.codec = codec;
  t.phoff = codec.ehdr_size();
  Bytes file;
  std::string names("\0", 1);
  t.sections.emplace_back();
  const auto align = [&](std::size_t to) { file.resize((file.size() + to - 1) / to * to); };
  const auto section = [&](const char* name, std::uint32_t type, std::uint64_t flags, const Bytes& content,
                           std::uint64_t alignment, std::uint64_t bias) {
    align(alignment);
    Section s;
    s.name = static_cast<std::uint32_t>(names.size());
    names += std::string(name) + '\0';
    s.type = type;
    s.flags = flags;
    s.offset = file.size();
    s.addr = flags & SHF_ALLOC ? file.size() + bias : 0;
    s.size = content.size();
    s.align = alignment;
    file.insert(file.end(), content.begin(), content.end());
    t.sections.push_back(s);
    return t.sections.size() - 1;
  };
  const auto text = [](const std::string& s) { return Bytes(s.begin(), s.end()); };
  const std::size_t headers = o.with_interpreter ? 7 : 5;
  file.resize(t.phoff + (headers + (o.room_after_headers ? 1 : 0)) * codec.phdr_size());

  std::size_t interp = 0;
  if (o.with_interpreter) interp = section(".interp", SHT_PROGBITS, SHF_ALLOC, text(o.interpreter + '\0'), 1, 0);
  Bytes note_bytes(4 * 3 + 4 + 8);
  codec.put(note_bytes.data(), 4, 4);
  codec.put(note_bytes.data() + 4, 4, 8);
  codec.put(note_bytes.data() + 8, 4, 1);
  std::memcpy(note_bytes.data() + 12, "TST", 4);
  const std::size_t note = section(".note.test", SHT_NOTE, SHF_ALLOC, note_bytes, 4, 0);
  Bytes symbols(4 * codec.sym_size());
  for (int i = 1; i < 4; i++) {
    codec.put(symbols.data() + i * codec.sym_size(), 4, symbol_names[i]);
    symbols[i * codec.sym_size() + (o.is64 ? 4 : 12)] = 0x12;
    codec.put(symbols.data() + i * codec.sym_size() + (o.is64 ? 6 : 14), 2, i == 1 ? 0 : SHN_ABS);
  }
  const std::size_t symtab = section(".dynsym", SHT_DYNSYM, SHF_ALLOC, symbols, word, 0);
  Bytes hash(4 * (2 + 1 + 4));
  codec.put(hash.data(), 4, 1);
  codec.put(hash.data() + 4, 4, 4);
  codec.put(hash.data() + 8, 4, 1);
  codec.put(hash.data() + 12 + 4, 4, 2);
  codec.put(hash.data() + 12 + 8, 4, 3);
  const std::size_t hash_section = section(".hash", SHT_HASH, SHF_ALLOC, hash, word, 0);
  const std::size_t strtab = section(".dynstr", SHT_STRTAB, SHF_ALLOC, text(strings), 1, 0);
  const std::size_t text_end = file.size();

  align(0x1000);
  const std::size_t data_start = file.size();
  dynamic.push_back({DT_HASH, t.sections[hash_section].addr});
  dynamic.push_back({DT_STRTAB, t.sections[strtab].addr});
  dynamic.push_back({DT_SYMTAB, t.sections[symtab].addr});
  dynamic.push_back({DT_STRSZ, strings.size()});
  dynamic.push_back({DT_SYMENT, codec.sym_size()});
  Bytes dyn_bytes((dynamic.size() + 1 + o.spare_dynamic) * codec.dyn_size());
  for (std::size_t i = 0; i < dynamic.size(); i++) {
    codec.put(dyn_bytes.data() + i * codec.dyn_size(), word, static_cast<std::uint64_t>(dynamic[i].tag));
    codec.put(dyn_bytes.data() + i * codec.dyn_size() + word, word, dynamic[i].value);
  }
  const std::size_t dyn = section(".dynamic", SHT_DYNAMIC, SHF_ALLOC | SHF_WRITE, dyn_bytes, word, 0x1000);
  section(".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, text("data"), 4, 0x1000);
  const std::size_t data_end = file.size();
  section(".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, {}, 1, 0x1000);
  t.sections.back().size = o.bss;
  const std::size_t name_section = section(".shstrtab", SHT_STRTAB, 0, {}, 1, 0);
  t.sections[name_section].size = names.size();
  file.insert(file.end(), names.begin(), names.end());
  t.sections[dyn].link = t.sections[symtab].link = static_cast<std::uint32_t>(strtab);
  t.sections[dyn].entsize = codec.dyn_size();
  t.sections[symtab].entsize = codec.sym_size();
  t.sections[symtab].info = 1;
  t.sections[hash_section].link = static_cast<std::uint32_t>(symtab);
  t.sections[hash_section].entsize = 4;

  const auto of = [&](std::uint32_t type, std::uint32_t flags, const Section& s) {
    return Segment{type, flags, s.offset, s.addr, s.addr, s.size, s.size, s.align};
  };
  const std::uint64_t table = headers * codec.phdr_size();
  if (o.with_interpreter) {
    t.segments.push_back({PT_PHDR, PF_R, t.phoff, t.phoff, t.phoff, table, table, word});
    t.segments.push_back(of(PT_INTERP, PF_R, t.sections[interp]));
  }
  t.segments.push_back({PT_LOAD, PF_R, 0, 0, 0, text_end, text_end, 0x1000});
  const std::uint64_t data_size = data_end - data_start, data_at = data_start + 0x1000;
  t.segments.push_back({PT_LOAD, PF_R | PF_W, data_start, data_at, data_at, data_size, data_size + o.bss, 0x1000});
  t.segments.push_back(of(PT_DYNAMIC, PF_R | PF_W, t.sections[dyn]));
  t.segments.push_back(of(PT_NOTE, PF_R, t.sections[note]));
  t.segments.push_back({PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16});

  align(word);
  t.shoff = file.size();
  file.resize(file.size() + t.sections.size() * codec.shdr_size());
  std::memcpy(file.data(), ELFMAG, SELFMAG);
  file[EI_CLASS] = o.is64 ? ELFCLASS64 : ELFCLASS32;
  file[EI_DATA] = o.big ? ELFDATA2MSB : ELFDATA2LSB;
  file[EI_VERSION] = EV_CURRENT;
  std::uint8_t* at = file.data() + EI_NIDENT;
  codec.put(at, 2, ET_DYN);
  codec.put(at + 2, 2, o.machine);
  codec.put(at + 4, 4, EV_CURRENT);
  std::uint8_t* sizes = at + 8 + 3 * word + 4;
  codec.put(sizes, 2, codec.ehdr_size());
  codec.put(sizes + 2, 2, codec.phdr_size());
  codec.put(sizes + 6, 2, codec.shdr_size());
  codec.put(sizes + 8, 2, t.sections.size());
  codec.put(sizes + 10, 2, name_section);
  store_tables(t, file);
  return file;
}

}  // namespace udocker::elf
