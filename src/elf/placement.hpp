// Lays out an edited file; a part of Editor.
#pragma once
#include "elf/editor.hpp"

namespace udocker::elf {

// Finds places for the parts of an Editor that have grown and writes everything back into its bytes.
class Placement {
 public:
  explicit Placement(Editor& editor);
  void apply();

 private:
  enum class Part { interpreter, dynamic, strings, moved };
  // Bytes that need a new place. `old_address` and `old_size` say where they were, for sections and symbols.
  struct Block {
    Part part;
    Bytes bytes;
    std::uint64_t align;
    std::uint64_t old_address, old_size;
    std::uint64_t address = 0, offset = 0;
  };

  void collect();
  void collect_strings();
  bool grow_strings_at_end();
  std::uint64_t total_size(std::uint64_t start) const;
  std::uint64_t page_size() const;

  Segment* last_load();
  bool ends_the_loads(const Segment& load) const;
  bool can_extend(const Segment& load) const;
  std::uint32_t wanted_flags() const;
  void require_addresses(std::uint64_t address, std::uint64_t size) const;
  void insert_bytes(std::uint64_t offset, std::uint64_t size);
  void extend(Segment& load);
  bool header_room();
  bool gap_after_headers() const;
  bool move_parts_after_headers();
  void add_segment();
  void fill_zero_part(Segment& load);

  void place(std::uint64_t offset, std::uint64_t address);
  void write_block(const Block& block);
  void move_sections(const Block& block);
  void move_symbols(std::size_t section, std::uint64_t delta);
  void redirect(std::int64_t tag, std::uint64_t address);
  void store_dynamic();

  Editor& e_;
  Tables& t_;
  std::vector<Block> blocks_;
};

}  // namespace udocker::elf
