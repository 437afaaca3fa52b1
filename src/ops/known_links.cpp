#include "ops/known_links.hpp"

#include <new>

namespace udocker::ops {

namespace {
constexpr std::size_t kFirst = 1024;
constexpr unsigned kUses = 128;  // until pages may go: each may have brought 64 KiB into memory
}  // namespace

KnownLinks::~KnownLinks() {
  if (table_) memory_.release(table_);
}

KnownLinks::Slot& KnownLinks::slot(Slot* table, std::size_t slots, std::uint64_t dev, std::uint64_t ino) {
  std::size_t at = ((ino + dev * 0xff51afd7ed558ccdu) * 0x9e3779b97f4a7c15u >> 20) & (slots - 1);
  while (table[at].used && (table[at].ino != ino || table[at].dev != dev)) at = (at + 1) & (slots - 1);
  return table[at];
}

KnownLinks::Slot* KnownLinks::allocate(std::size_t slots) {
  auto* made = static_cast<Slot*>(memory_.allocate(slots * sizeof(Slot)));
  if (!made) throw std::bad_alloc();
  return made;
}

void KnownLinks::relax() {
  if (memory_.has_large() && ++uses_ % kUses == 0) memory_.relax();
}

std::optional<std::string> KnownLinks::find(const struct stat& file) {
  if (!table_) return std::nullopt;
  relax();
  const Slot& found = slot(table_, slots_, file.st_dev, file.st_ino);
  if (!found.used) return std::nullopt;
  return paths_.read(found.at, found.size);
}

void KnownLinks::add(const struct stat& file, const std::string& path) {
  if (!table_) table_ = allocate(slots_ = kFirst);
  if ((count_ + 1) * 4 > slots_ * 3) {
    Slot* larger = allocate(slots_ * 2);
    for (std::size_t i = 0; i < slots_; ++i)
      if (table_[i].used) {
        slot(larger, slots_ * 2, table_[i].dev, table_[i].ino) = table_[i];
        relax();
      }
    memory_.release(table_);
    table_ = larger;
    slots_ *= 2;
  }
  relax();
  Slot& mine = slot(table_, slots_, file.st_dev, file.st_ino);
  if (!mine.used) ++count_;
  mine = {file.st_dev, file.st_ino, paths_.append(path), static_cast<std::uint32_t>(path.size()), 1};
}

}  // namespace udocker::ops
