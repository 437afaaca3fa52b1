#include "elf/view.hpp"

#include "util/error.hpp"

#include <elf.h>

#include <cstring>

namespace udocker::elf {

View::View(ByteView bytes) : bytes_(bytes), tables_(parse_tables(bytes)) {
  const Segment* segment = tables_.find_segment(PT_DYNAMIC);
  if (segment == nullptr) return;
  const unsigned step = tables_.codec.dyn_size(), word = tables_.codec.word();
  dynamic_capacity_ = segment->filesz / step;
  for (std::size_t i = 0; i < dynamic_capacity_; i++) {
    const std::uint8_t* at = bytes_.data() + segment->offset + i * step;
    const std::uint64_t raw = tables_.codec.get(at, word);
    const auto tag = word == 4 ? static_cast<std::int64_t>(static_cast<std::int32_t>(raw)) : static_cast<std::int64_t>(raw);
    if (tag == DT_NULL) return;
    dynamic_.push_back({tag, tables_.codec.get(at + word, word)});
  }
  throw IntegrityError("damaged ELF file: the dynamic table has no end");
}

std::optional<std::string_view> View::interpreter() const {
  const Segment* segment = tables_.find_segment(PT_INTERP);
  if (segment == nullptr) return std::nullopt;
  const char* text = reinterpret_cast<const char*>(bytes_.data() + segment->offset);
  const std::size_t length = ::strnlen(text, segment->filesz);
  if (length == segment->filesz) throw IntegrityError("damaged ELF file: the interpreter's name has no end");
  return std::string_view(text, length);
}

std::optional<std::uint64_t> View::dynamic_value(std::int64_t tag) const {
  for (const Dyn& entry : dynamic_)
    if (entry.tag == tag) return entry.value;
  return std::nullopt;
}

std::string_view View::dynamic_strings() const {
  const auto address = dynamic_value(DT_STRTAB), size = dynamic_value(DT_STRSZ);
  if (!address || !size) throw IntegrityError("damaged ELF file: the dynamic table names no strings");
  const std::int64_t offset = tables_.offset_of(*address, *size);
  if (offset < 0) throw IntegrityError("damaged ELF file: the dynamic strings are outside the file");
  return {reinterpret_cast<const char*>(bytes_.data() + offset), *size};
}

std::string_view View::string_at(std::uint64_t offset) const {
  const std::string_view strings = dynamic_strings();
  if (offset >= strings.size()) throw IntegrityError("damaged ELF file: a dynamic string is outside its table");
  const std::size_t end = strings.find('\0', offset);
  if (end == std::string_view::npos) throw IntegrityError("damaged ELF file: a dynamic string has no end");
  return strings.substr(offset, end - offset);
}

std::optional<std::string> View::string_of(std::int64_t tag) const {
  const auto offset = dynamic_value(tag);
  if (!offset) return std::nullopt;
  return std::string(string_at(*offset));
}

std::vector<std::string> View::needed() const {
  std::vector<std::string> out;
  for (const Dyn& entry : dynamic_)
    if (entry.tag == DT_NEEDED) out.emplace_back(string_at(entry.value));
  return out;
}

std::optional<std::string> View::soname() const { return string_of(DT_SONAME); }

std::optional<std::string> View::rpath() const {
  auto run = string_of(DT_RUNPATH);
  return run ? run : string_of(DT_RPATH);
}

}  // namespace udocker::elf
