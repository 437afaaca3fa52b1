#include "archive/path_table.hpp"

#include <cstring>
#include <ctime>

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

PathTable::PathTable() : table_(1024) {
  std::uint64_t random[2] = {0x9e3779b97f4a7c15u, static_cast<std::uint64_t>(::clock())};
  (void)!::getrandom(random, sizeof random, GRND_NONBLOCK);
  seed_ = random[0] | 1;
  key_ = random[1] | 1;
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

PathTable::Record& PathTable::slot(std::vector<Record>& table, std::uint64_t hash) {
  std::size_t at = hash & (table.size() - 1);
  while (table[at].hash != 0 && table[at].hash != hash) at = (at + 1) & (table.size() - 1);
  return table[at];
}

PathTable::Record* PathTable::find(std::uint64_t hash) {
  Record& found = slot(table_, hash);
  return found.hash ? &found : nullptr;
}

PathTable::Record& PathTable::add(std::uint64_t hash) {
  if (Record* found = find(hash)) return *found;
  if (++count_ * 4 > table_.size() * 3) {
    std::vector<Record> larger(table_.size() * 2);
    for (const Record& record : table_)
      if (record.hash) slot(larger, record.hash) = record;
    table_ = std::move(larger);
  }
  Record& fresh = slot(table_, hash);
  fresh.hash = hash;
  return fresh;
}

}  // namespace udocker::archive
