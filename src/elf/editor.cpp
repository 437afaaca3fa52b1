#include "elf/editor.hpp"

#include "elf/placement.hpp"
#include "util/error.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace udocker::elf {

Editor::Editor(Bytes bytes, EditOptions options) : bytes_(std::move(bytes)), options_(options) {
  const View view{ByteView(bytes_)};
  tables_ = view.tables();
  dynamic_ = view.dynamic();
  dynamic_capacity_ = view.dynamic_capacity();
  if (view.dynamic_value(DT_STRTAB)) strings_ = std::string(view.dynamic_strings());
  strings_size_ = strings_.size();
  for (std::size_t i = 0; i < dynamic_.size(); i++)
    if (dynamic_[i].tag == kMipsRldMapRel) mips_map_index_ = i;
  if (const auto path = view.interpreter()) interpreter_ = std::string(*path);
}

void Editor::require_dynamic() const {
  if (dynamic_capacity_ == 0) throw IntegrityError("no dynamic table: the file is statically linked or no program");
  if (strings_.empty()) throw IntegrityError("damaged ELF file: the dynamic table names no strings");
}

const Dyn* Editor::find_dyn(std::int64_t tag) const {
  for (const Dyn& entry : dynamic_)
    if (entry.tag == tag) return &entry;
  return nullptr;
}

Dyn* Editor::find_dyn(std::int64_t tag) { return const_cast<Dyn*>(std::as_const(*this).find_dyn(tag)); }

std::string_view Editor::string_at(std::uint64_t offset) const {
  const std::size_t end = offset < strings_.size() ? strings_.find('\0', offset) : std::string::npos;
  if (end == std::string::npos) throw IntegrityError("damaged ELF file: a dynamic string has no end");
  return std::string_view(strings_).substr(offset, end - offset);
}

std::uint64_t Editor::add_string(const std::string& text) {
  if (text.find('\0') != std::string::npos) throw Error("a name in an ELF file cannot hold a zero byte");
  // Any place where the text ends a string will do, as in tables whose tails the linker merged.
  const std::size_t found = strings_.find(text + '\0');
  if (found != std::string::npos) return found;
  if (!strings_.empty() && strings_.back() != '\0') strings_ += '\0';
  const std::size_t offset = strings_.size();
  strings_ += text + '\0';
  return offset;
}

std::uint8_t* Editor::at_address(std::uint64_t vaddr, std::uint64_t size) {
  const std::int64_t offset = tables_.offset_of(vaddr, size);
  if (offset < 0) throw IntegrityError("damaged ELF file: a dynamic entry points outside the file");
  return bytes_.data() + offset;
}

std::optional<std::string> Editor::interpreter() const { return interpreter_; }

void Editor::set_interpreter(const std::string& path) {
  if (!interpreter_) throw IntegrityError("no interpreter: the file is a library or statically linked");
  if (path.empty() || path.find('\0') != std::string::npos) throw Error("not a name for an interpreter");
  if (*interpreter_ == path) return;
  interpreter_ = path;
  changed_ = true;
}

std::vector<std::string> Editor::needed() const {
  std::vector<std::string> out;
  for (const Dyn& entry : dynamic_)
    if (entry.tag == DT_NEEDED) out.emplace_back(string_at(entry.value));
  return out;
}

void Editor::add_needed(const std::vector<std::string>& names) {
  require_dynamic();
  const std::vector<std::string> present = needed();
  std::vector<Dyn> added;
  for (const std::string& name : names) {
    if (std::find(present.begin(), present.end(), name) != present.end()) continue;
    added.push_back({DT_NEEDED, add_string(name)});
  }
  if (added.empty()) return;
  dynamic_.insert(dynamic_.begin(), added.begin(), added.end());
  changed_ = true;
}

void Editor::remove_needed(const std::string& name) {
  require_dynamic();
  const auto gone = [&](const Dyn& entry) { return entry.tag == DT_NEEDED && string_at(entry.value) == name; };
  if (std::erase_if(dynamic_, gone) == 0) return;
  drop_version_needs(name);
  changed_ = true;
}

void Editor::replace_needed(const std::map<std::string, std::string>& names) {
  require_dynamic();
  for (Dyn& entry : dynamic_) {
    if (entry.tag != DT_NEEDED) continue;
    const std::string old(string_at(entry.value));
    const auto found = names.find(old);
    if (found == names.end() || found->second == old) continue;
    entry.value = add_string(found->second);
    rename_in_version_needs(old, found->second);
    changed_ = true;
  }
}

std::optional<std::string> Editor::soname() const {
  const Dyn* entry = find_dyn(DT_SONAME);
  if (entry == nullptr) return std::nullopt;
  return std::string(string_at(entry->value));
}

void Editor::set_soname(const std::string& name) {
  require_dynamic();
  if (soname() == name) return;
  const std::uint64_t offset = add_string(name);
  if (Dyn* entry = find_dyn(DT_SONAME))
    entry->value = offset;
  else
    dynamic_.insert(dynamic_.begin(), {DT_SONAME, offset});
  changed_ = true;
}

std::optional<std::string> Editor::rpath() const {
  const Dyn* entry = find_dyn(DT_RUNPATH);
  if (entry == nullptr) entry = find_dyn(DT_RPATH);
  if (entry == nullptr) return std::nullopt;
  return std::string(string_at(entry->value));
}

void Editor::set_rpath(const std::string& path, RpathTag kind) {
  require_dynamic();
  const std::int64_t wanted = kind == RpathTag::rpath ? DT_RPATH : DT_RUNPATH;
  const std::int64_t other = kind == RpathTag::rpath ? DT_RUNPATH : DT_RPATH;
  const Dyn* present = find_dyn(wanted);
  if (present != nullptr && string_at(present->value) == path && find_dyn(other) == nullptr) return;
  const std::uint64_t offset = add_string(path);
  if (Dyn* entry = find_dyn(wanted)) {
    entry->value = offset;
    std::erase_if(dynamic_, [&](const Dyn& d) { return d.tag == other; });
  } else if (Dyn* converted = find_dyn(other)) {
    *converted = {wanted, offset};
  } else {
    dynamic_.insert(dynamic_.begin(), {wanted, offset});
  }
  changed_ = true;
}

void Editor::remove_rpath() {
  const auto gone = [](const Dyn& entry) { return entry.tag == DT_RPATH || entry.tag == DT_RUNPATH; };
  if (std::erase_if(dynamic_, gone) != 0) changed_ = true;
}

void Editor::set_no_default_lib() {
  require_dynamic();
  Dyn* flags = find_dyn(DT_FLAGS_1);
  if (flags == nullptr) {
    dynamic_.insert(dynamic_.begin(), {DT_FLAGS_1, DF_1_NODEFLIB});
  } else if ((flags->value & DF_1_NODEFLIB) == 0) {
    flags->value |= DF_1_NODEFLIB;
  } else {
    return;
  }
  changed_ = true;
}

void Editor::add_debug_tag() {
  require_dynamic();
  if (find_dyn(DT_DEBUG) != nullptr) return;
  dynamic_.push_back({DT_DEBUG, 0});
  changed_ = true;
}

char Editor::execstack() const {
  const Segment* stack = tables_.find_segment(PT_GNU_STACK);
  if (stack == nullptr) return '?';
  return (stack->flags & PF_X) != 0 ? 'X' : '-';
}

void Editor::set_execstack(bool executable) {
  Segment* place = nullptr;
  for (Segment& s : tables_.segments)
    if (s.type == PT_GNU_STACK) place = &s;
  if (place == nullptr)
    for (Segment& s : tables_.segments)
      if (place == nullptr && s.type == PT_NULL) {
        s = {};
        s.type = PT_GNU_STACK;
        s.flags = PF_R | PF_W | (executable ? 0u : PF_X);
        s.align = 16;
        place = &s;
      }
  if (place == nullptr) throw Error("the file has no stack header and no room for one");
  if (((place->flags & PF_X) != 0) == executable) return;
  place->flags ^= PF_X;
  changed_ = true;
}

void Editor::set_os_abi(std::uint8_t abi) {
  if (tables_.os_abi == abi) return;
  tables_.os_abi = abi;
  changed_ = true;
}

Bytes Editor::finish() {
  if (changed_) Placement(*this).apply();
  return std::move(bytes_);
}

}  // namespace udocker::elf
