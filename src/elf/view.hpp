// Reads what a loader reads of an ELF file: interpreter, dynamic table and its strings. Copies nothing but results.
#pragma once
#include "elf/codec.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::elf {

// The bytes must outlive the view. The constructor throws IntegrityError for anything but a sound ELF file; a file
// without program headers or dynamic table is sound and simply has no such things.
class View {
 public:
  explicit View(ByteView bytes);

  const Tables& tables() const { return tables_; }
  std::optional<std::string_view> interpreter() const;
  bool is_dynamic() const { return dynamic_capacity_ != 0; }
  // Entries before the first DT_NULL.
  const std::vector<Dyn>& dynamic() const { return dynamic_; }
  std::size_t dynamic_capacity() const { return dynamic_capacity_; }
  std::optional<std::uint64_t> dynamic_value(std::int64_t tag) const;
  // The string table of the dynamic table; throws IntegrityError when it is missing or outside the file.
  std::string_view dynamic_strings() const;
  // The string at `offset` of that table; throws IntegrityError when it does not end inside.
  std::string_view string_at(std::uint64_t offset) const;
  std::vector<std::string> needed() const;
  std::optional<std::string> soname() const;
  // DT_RUNPATH, or DT_RPATH where there is none.
  std::optional<std::string> rpath() const;

 private:
  std::optional<std::string> string_of(std::int64_t tag) const;

  ByteView bytes_;
  Tables tables_;
  std::vector<Dyn> dynamic_;
  std::size_t dynamic_capacity_ = 0;
};

}  // namespace udocker::elf
