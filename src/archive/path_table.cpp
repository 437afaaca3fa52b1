#include "archive/path_table.hpp"

#include <cstring>
#include <ctime>
#include <new>

#include <sys/random.h>

namespace udocker::archive {

std::vector<std::string_view> clean_parts(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    std::size_t slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") parts.push_back(part);
    else if (!parts.empty()) parts.pop_back();
  }
  return parts;
}

static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

constexpr std::size_t kFirst = 1024;
constexpr unsigned kUses = 512;  // each may have brought 64 KiB into memory

PathTable::PathTable(std::string directory) : memory_(std::move(directory)), slots_(kFirst), table_(allocate(kFirst)) {
  std::uint64_t random[2] = {0x9e3779b97f4a7c15u, static_cast<std::uint64_t>(::clock())};
  (void)!::getrandom(random, sizeof random, GRND_NONBLOCK);
  seed_ = random[0] | 1;
  key_ = random[1] | 1;
}

PathTable::~PathTable() { memory_.release(table_); }

PathTable::Record* PathTable::allocate(std::size_t slots) {
  auto* made = static_cast<Record*>(memory_.allocate(slots * sizeof(Record)));
  if (!made) throw std::bad_alloc();
  return made;
}

void PathTable::clear() {
  if (count_ == 0) return;
  Record* fresh = allocate(kFirst);
  memory_.release(table_);
  table_ = fresh;
  slots_ = kFirst;
  count_ = 0;
}

void PathTable::relax() {
  if (++uses_ < kUses) return;
  uses_ = 0;
  if (memory_.has_large()) memory_.relax();
}

std::uint64_t PathTable::child(std::uint64_t parent, std::string_view name) const {
  std::uint64_t hash = mix(parent ^ key_, 0xa0761d6478bd642fu ^ name.size());
  while (!name.empty()) {
    std::uint64_t word = 0;
    std::size_t take = name.size() < 8 ? name.size() : 8;
    std::memcpy(&word, name.data(), take);
    hash = mix(hash ^ word ^ seed_, 0xe7037ed1a0b428dbu ^ key_);
    name.remove_prefix(take);
  }
  return hash ? hash : 1;
}

PathTable::Record& PathTable::slot(Record* table, std::size_t slots, std::uint64_t hash) {
  std::size_t at = hash & (slots - 1);
  while (table[at].hash != 0 && table[at].hash != hash) at = (at + 1) & (slots - 1);
  return table[at];
}

PathTable::Record* PathTable::find(std::uint64_t hash) {
  relax();
  Record& found = slot(table_, slots_, hash);
  return found.hash ? &found : nullptr;
}

PathTable::Record& PathTable::add(std::uint64_t hash) {
  if (Record* found = find(hash)) return *found;
  if (++count_ * 4 > slots_ * 3) {
    Record* larger = allocate(slots_ * 2);
    for (std::size_t i = 0; i < slots_; ++i)  // in order: goes to two places that move on in order too
      if (table_[i].hash) {
        slot(larger, slots_ * 2, table_[i].hash) = table_[i];
        if (i % 65536 == 0) memory_.relax();
      }
    memory_.release(table_);
    table_ = larger;
    slots_ *= 2;
  }
  Record& fresh = slot(table_, slots_, hash);
  fresh.hash = hash;
  return fresh;
}

}  // namespace udocker::archive
