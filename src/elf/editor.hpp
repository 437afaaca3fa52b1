// Changes an ELF file the way patchelf does: interpreter, dynamic entries, symbol versions, flags.
//
// Everything that still fits is changed where it lies. What has grown goes to the end of the file's last loaded
// segment when that has no zero-filled part, else into one new segment; room for its header is made by moving notes,
// interpreter or hash tables along. Old bytes stay where they were, so addresses in code never change.
#pragma once
#include "elf/codec.hpp"
#include "elf/view.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::elf {

enum class RpathTag { runpath, rpath };

struct EditOptions {
  std::uint64_t page_size = 0;  // 0: the largest page of the machine
};

// All members throw IntegrityError for files they cannot understand, Error for what the file cannot hold; the bytes
// given to the constructor are never half changed, since finish() makes the result.
constexpr std::int64_t kMipsRldMapRel = 0x70000035;

class Editor {
 public:
  explicit Editor(Bytes bytes, EditOptions options = {});

  bool changed() const { return changed_; }
  bool is_dynamic() const { return dynamic_capacity_ != 0 && !strings_.empty(); }

  std::optional<std::string> interpreter() const;
  void set_interpreter(const std::string& path);  // throws when the file has none

  std::vector<std::string> needed() const;
  void add_needed(const std::vector<std::string>& names);  // put before the present ones
  void remove_needed(const std::string& name);             // its symbol versions are dropped too
  void replace_needed(const std::map<std::string, std::string>& names);

  std::optional<std::string> soname() const;
  void set_soname(const std::string& name);

  std::optional<std::string> rpath() const;
  // Sets the search path; the entry becomes DT_RUNPATH or DT_RPATH as told, whatever it was.
  void set_rpath(const std::string& path, RpathTag tag);
  void remove_rpath();

  void set_no_default_lib();
  void add_debug_tag();

  // 'X', '-' or '?' (the file does not say).
  char execstack() const;
  void set_execstack(bool executable);

  std::uint8_t os_abi() const { return tables_.os_abi; }
  void set_os_abi(std::uint8_t abi);

  // Undefined symbols of that name no longer ask for a version.
  void clear_symbol_version(const std::string& symbol);
  // Renames dynamic symbols and rebuilds the hash tables.
  void rename_symbols(const std::map<std::string, std::string>& names);

  const Tables& tables() const { return tables_; }
  // The edited file. The editor must not be used afterwards.
  Bytes finish();

 private:
  friend class Placement;
  struct Symbols;

  std::string_view string_at(std::uint64_t offset) const;
  std::uint64_t add_string(const std::string& text);
  Dyn* find_dyn(std::int64_t tag);
  const Dyn* find_dyn(std::int64_t tag) const;
  void require_dynamic() const;
  std::uint8_t* at_address(std::uint64_t vaddr, std::uint64_t size);
  void rename_in_version_needs(const std::string& from, const std::string& to);
  void drop_version_needs(const std::string& file);
  void sort_for_gnu_hash(Symbols& symbols);

  Bytes bytes_;
  EditOptions options_;
  Tables tables_;
  std::vector<Dyn> dynamic_;
  std::size_t dynamic_capacity_ = 0;
  std::string strings_;           // the dynamic strings, with new ones at the end
  std::size_t strings_size_ = 0;  // how many of them the file has now
  std::optional<std::string> interpreter_;
  std::size_t mips_map_index_ = 0;  // where DT_MIPS_RLD_MAP_REL stood
  bool changed_ = false;
};

}  // namespace udocker::elf
