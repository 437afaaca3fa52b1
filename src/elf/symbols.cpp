// The parts of Editor that know dynamic symbols: versions, names and the hash tables over them.
#include "elf/editor.hpp"

#include "util/error.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace udocker::elf {

namespace {

constexpr unsigned kNeedSize = 16, kAuxSize = 16;
constexpr std::uint16_t kVersionMask = 0x7fff;

std::uint32_t sysv_hash(std::string_view name) {
  std::uint32_t h = 0;
  for (const char c : name) {
    h = (h << 4) + static_cast<unsigned char>(c);
    const std::uint32_t high = h & 0xf0000000;
    h = (h ^ high >> 24) & ~high;
  }
  return h;
}

std::uint32_t gnu_hash(std::string_view name) {
  std::uint32_t h = 5381;
  for (const char c : name) h = h * 33 + static_cast<unsigned char>(c);
  return h;
}

}  // namespace

// The dynamic symbol table inside the editor's bytes.
struct Editor::Symbols {
  Editor& e;
  const Codec& codec;
  std::uint8_t* table = nullptr;
  std::uint64_t count = 0;
  std::size_t section = 0;
  std::uint8_t* versions = nullptr;

  explicit Symbols(Editor& editor) : e(editor), codec(editor.tables_.codec) {
    const Dyn* entry = e.find_dyn(DT_SYMTAB);
    if (entry == nullptr) throw IntegrityError("no dynamic symbols");
    for (std::size_t i = 0; i < e.tables_.sections.size(); i++) {
      const Section& s = e.tables_.sections[i];
      if (s.type != SHT_DYNSYM || s.addr != entry->value) continue;
      section = i;
      count = s.size / codec.sym_size();
    }
    if (count == 0) {
      const Dyn* hash = e.find_dyn(DT_HASH);
      if (hash == nullptr) throw IntegrityError("no section names the dynamic symbols");
      count = codec.get(e.at_address(hash->value, 8) + 4, 4);
    }
    if (count > e.bytes_.size()) throw IntegrityError("damaged ELF file: impossible number of symbols");
    table = e.at_address(entry->value, count * codec.sym_size());
    if (const Dyn* versym = e.find_dyn(DT_VERSYM)) versions = e.at_address(versym->value, count * 2);
  }
  std::uint8_t* at(std::uint64_t i) const { return table + i * codec.sym_size(); }
  std::string_view name(std::uint64_t i) const { return e.string_at(codec.get(at(i), 4)); }
  bool defined(std::uint64_t i) const { return codec.get(at(i) + (codec.is64 ? 6 : 14), 2) != SHN_UNDEF; }
};

void Editor::clear_symbol_version(const std::string& symbol) {
  require_dynamic();
  const Symbols symbols(*this);
  if (symbols.versions == nullptr) return;
  for (std::uint64_t i = 1; i < symbols.count; i++) {
    if (symbols.name(i) != symbol || tables_.codec.get(symbols.versions + 2 * i, 2) == VER_NDX_GLOBAL) continue;
    tables_.codec.put(symbols.versions + 2 * i, 2, VER_NDX_GLOBAL);
    changed_ = true;
  }
}

void Editor::rename_in_version_needs(const std::string& from, const std::string& to) {
  const Dyn* start = find_dyn(DT_VERNEED);
  const Dyn* number = find_dyn(DT_VERNEEDNUM);
  if (start == nullptr || number == nullptr) return;
  std::uint64_t address = start->value;
  for (std::uint64_t i = 0; i < number->value; i++) {
    std::uint8_t* need = at_address(address, kNeedSize);
    if (string_at(tables_.codec.get(need + 4, 4)) == from) tables_.codec.put(need + 4, 4, add_string(to));
    const std::uint64_t next = tables_.codec.get(need + 12, 4);
    if (next == 0) break;
    address += next;
  }
}

void Editor::drop_version_needs(const std::string& file) {
  const Codec& codec = tables_.codec;
  Dyn* start = find_dyn(DT_VERNEED);
  Dyn* number = find_dyn(DT_VERNEEDNUM);
  if (start == nullptr || number == nullptr) return;
  std::uint8_t* before = nullptr;
  std::uint64_t address = start->value;
  for (std::uint64_t i = 0; i < number->value; i++) {
    std::uint8_t* need = at_address(address, kNeedSize);
    const std::uint64_t next = codec.get(need + 12, 4);
    if (string_at(codec.get(need + 4, 4)) != file) {
      if (next == 0) return;
      before = need;
      address += next;
      continue;
    }
    std::vector<std::uint16_t> gone;
    std::uint64_t aux = address + codec.get(need + 8, 4);
    for (std::uint64_t k = codec.get(need + 2, 2); k != 0; k--) {
      const std::uint8_t* at = at_address(aux, kAuxSize);
      gone.push_back(static_cast<std::uint16_t>(codec.get(at + 6, 2) & kVersionMask));
      aux += codec.get(at + 12, 4);
    }
    const Symbols symbols(*this);
    for (std::uint64_t s = 0; symbols.versions != nullptr && s < symbols.count; s++) {
      const auto version = codec.get(symbols.versions + 2 * s, 2) & kVersionMask;
      if (std::find(gone.begin(), gone.end(), version) != gone.end())
        codec.put(symbols.versions + 2 * s, 2, VER_NDX_GLOBAL);
    }
    if (before != nullptr) {
      const std::uint64_t reach = codec.get(before + 12, 4);
      codec.put(before + 12, 4, next == 0 ? 0 : reach + next);
    } else if (next != 0) {
      // The first entry takes the place of the second, so that the table still begins where it did.
      const std::uint8_t* second = at_address(address + next, kNeedSize);
      const std::uint64_t after = codec.get(second + 12, 4);
      std::memmove(need, second, kNeedSize);
      codec.put(need + 8, 4, codec.get(need + 8, 4) + next);
      codec.put(need + 12, 4, after == 0 ? 0 : after + next);
    }
    for (Section& s : tables_.sections)
      if (s.type == SHT_GNU_verneed && s.addr == start->value && s.info != 0) s.info--;
    if (--number->value == 0)
      std::erase_if(dynamic_, [](const Dyn& d) { return d.tag == DT_VERNEED || d.tag == DT_VERNEEDNUM; });
    return;
  }
}

void Editor::rename_symbols(const std::map<std::string, std::string>& names) {
  require_dynamic();
  Symbols symbols(*this);
  const Codec& codec = tables_.codec;
  bool renamed = false;
  for (std::uint64_t i = 1; i < symbols.count; i++) {
    const auto found = names.find(std::string(symbols.name(i)));
    if (found == names.end() || found->first == found->second) continue;
    codec.put(symbols.at(i), 4, add_string(found->second));
    renamed = true;
  }
  if (!renamed) return;
  changed_ = true;
  if (find_dyn(DT_GNU_HASH) != nullptr) sort_for_gnu_hash(symbols);

  const Dyn* hash = find_dyn(DT_HASH);
  if (hash == nullptr) return;
  const std::uint64_t buckets = codec.get(at_address(hash->value, 8), 4);
  if (buckets == 0 || buckets > bytes_.size()) return;
  std::uint8_t* table = at_address(hash->value, 8 + 4 * (buckets + symbols.count)) + 8;
  std::memset(table, 0, 4 * (buckets + symbols.count));
  for (std::uint64_t i = symbols.count; i-- > 1;) {
    std::uint8_t* bucket = table + 4 * (sysv_hash(symbols.name(i)) % buckets);
    std::memcpy(table + 4 * (buckets + i), bucket, 4);
    codec.put(bucket, 4, i);
  }
}

// Brings the hashed symbols into the order of their buckets and rewrites the table at its place.
void Editor::sort_for_gnu_hash(Symbols& symbols) {
  const Codec& codec = tables_.codec;
  const std::uint64_t address = find_dyn(DT_GNU_HASH)->value;
  const std::uint8_t* head = at_address(address, 16);
  const std::uint64_t buckets = codec.get(head, 4), first = codec.get(head + 4, 4), words = codec.get(head + 8, 4);
  const std::uint64_t shift = codec.get(head + 12, 4);
  if (first >= symbols.count) return;
  if (buckets == 0 || words == 0 || buckets > bytes_.size() || words > bytes_.size() || shift > 31)
    throw IntegrityError("damaged ELF file: impossible hash table");
  const unsigned word = codec.word(), bits = word * 8, step = codec.sym_size();
  const std::uint64_t hashed = symbols.count - first;
  std::uint8_t* bloom = at_address(address + 16, words * word + 4 * (buckets + hashed));
  std::uint8_t* bucket = bloom + words * word;
  std::uint8_t* chain = bucket + 4 * buckets;

  std::vector<std::uint32_t> hashes(symbols.count);
  for (std::uint64_t i = first; i < symbols.count; i++) hashes[i] = gnu_hash(symbols.name(i));
  std::vector<std::uint32_t> order(symbols.count);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin() + static_cast<std::ptrdiff_t>(first), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return hashes[a] % buckets < hashes[b] % buckets; });

  const Bytes old_symbols(symbols.table, symbols.table + symbols.count * step);
  Bytes old_versions;
  if (symbols.versions != nullptr) old_versions.assign(symbols.versions, symbols.versions + 2 * symbols.count);
  std::vector<std::uint32_t> place(symbols.count);
  std::memset(bloom, 0, words * word + 4 * buckets);
  for (std::uint64_t i = 0; i < symbols.count; i++) {
    place[order[i]] = static_cast<std::uint32_t>(i);
    std::memcpy(symbols.at(i), old_symbols.data() + order[i] * step, step);
    if (symbols.versions != nullptr) std::memcpy(symbols.versions + 2 * i, old_versions.data() + 2 * order[i], 2);
    if (i < first) continue;
    const std::uint32_t h = hashes[order[i]];
    std::uint8_t* filter = bloom + (h / bits) % words * word;
    codec.put(filter, word,
              codec.get(filter, word) | std::uint64_t{1} << (h % bits) | std::uint64_t{1} << ((h >> shift) % bits));
    const bool starts = i == first || hashes[order[i - 1]] % buckets != h % buckets;
    const bool ends = i + 1 == symbols.count || hashes[order[i + 1]] % buckets != h % buckets;
    if (starts) codec.put(bucket + 4 * (h % buckets), 4, i);
    codec.put(chain + 4 * (i - first), 4, (h & ~1u) | (ends ? 1 : 0));
  }

  for (const Section& s : tables_.sections) {
    if ((s.type != SHT_REL && s.type != SHT_RELA) || s.link != symbols.section || symbols.section == 0) continue;
    const unsigned size = (s.type == SHT_RELA ? 3 : 2) * word;
    for (std::uint64_t at = 0; at + size <= s.size; at += size) {
      std::uint8_t* info = bytes_.data() + s.offset + at + word;
      // The symbol's number: upper half of r_info; on little-endian MIPS64 the half that comes first.
      std::uint8_t* number = !codec.is64 || codec.big || tables_.machine == EM_MIPS ? info : info + 4;
      const std::uint64_t raw = codec.get(number, 4);
      const std::uint64_t old = codec.is64 ? raw : raw >> 8;
      if (old >= symbols.count) continue;
      codec.put(number, 4, codec.is64 ? place[old] : (std::uint64_t{place[old]} << 8 | (raw & 0xff)));
    }
  }
}

}  // namespace udocker::elf
