#include "archive/tar.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace udocker::archive {

namespace {

constexpr std::size_t kBlock = 512;
constexpr char kZeros[kBlock] = {};

bool fits_octal(std::uint64_t value, int digits) { return value < (1ull << (3 * digits)); }

// Octal with a closing zero byte; what does not fit is written as 0 and said in a PAX record.
void put_octal(char* at, int length, std::uint64_t value) {
  if (!fits_octal(value, length - 1)) value = 0;
  std::snprintf(at, static_cast<std::size_t>(length), "%0*llo", length - 1, static_cast<unsigned long long>(value));
}

void add_record(std::string& records, const std::string& key, std::string_view value) {
  std::size_t body = key.size() + value.size() + 3;  // blank, =, newline
  std::size_t length = body + 1;
  while (cat(length).size() + body != length) length = cat(length).size() + body;
  records += cat(length, " ", key, "=", value, "\n");
}

// Splits a path into ustar's prefix and name; false when it does not fit.
bool split_path(const std::string& path, std::string& prefix, std::string& name) {
  prefix.clear();
  name = path;
  if (path.size() <= 100) return true;
  for (std::size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1))
    if (slash > 0 && slash <= 155 && path.size() - slash - 1 <= 100 && slash + 1 < path.size()) {
      prefix = path.substr(0, slash);
      name = path.substr(slash + 1);
      return true;
    }
  return false;
}

// Numbers one per line: how many segments, then offset and length of each. An empty one at the end marks a hole there.
std::string sparse_map(const Entry& entry) {
  auto segments = entry.segments;
  if (segments.empty() || segments.back().first + segments.back().second < entry.size) segments.emplace_back(entry.size, 0);
  std::string map = cat(segments.size(), "\n");
  for (auto [offset, length] : segments) map += cat(offset, "\n", length, "\n");
  map.resize((map.size() + kBlock - 1) / kBlock * kBlock, '\0');
  return map;
}

}  // namespace

void TarWriter::header(const Entry& entry, char type, std::uint64_t size, const std::string& path, const std::string& link) {
  char block[kBlock] = {};
  std::string prefix, name;
  if (!split_path(path, prefix, name)) name = path.substr(0, 100);
  std::memcpy(block, name.data(), std::min<std::size_t>(name.size(), 100));
  std::memcpy(block + 345, prefix.data(), prefix.size());
  put_octal(block + 100, 8, entry.mode & 07777);
  put_octal(block + 108, 8, entry.uid);
  put_octal(block + 116, 8, entry.gid);
  put_octal(block + 124, 12, size);
  put_octal(block + 136, 12, entry.mtime < 0 ? 0 : static_cast<std::uint64_t>(entry.mtime));
  block[156] = type;
  std::memcpy(block + 157, link.data(), std::min<std::size_t>(link.size(), 100));
  std::memcpy(block + 257, "ustar\00000", 8);
  put_octal(block + 329, 8, entry.major);
  put_octal(block + 337, 8, entry.minor);
  unsigned sum = 8 * ' ';
  for (char c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(block + 148, 8, "%06o", sum);
  block[155] = ' ';
  output_.write({block, kBlock});
}

void TarWriter::add(const Entry& entry) {
  if (left_ > 0) throw Error("a file became shorter while it was archived");
  if (padding_ > 0) output_.write({kZeros, static_cast<std::size_t>(std::exchange(padding_, 0))});
  using T = Entry::Type;
  char type = entry.type == T::file                ? '0'
              : entry.type == T::hard_link         ? '1'
              : entry.type == T::symbolic_link     ? '2'
              : entry.type == T::character_device  ? '3'
              : entry.type == T::block_device      ? '4'
              : entry.type == T::directory         ? '5'
                                                   : '6';
  std::uint64_t size = entry.type == T::file ? entry.size : 0;
  std::string path = entry.path, records, prefix, name, map;
  if (entry.type == T::file && entry.sparse) {  // PAX 1.0: the map of the data stands before it
    map = sparse_map(entry);
    size = map.size();
    for (auto [offset, length] : entry.segments) size += length;
    add_record(records, "GNU.sparse.major", "1");
    add_record(records, "GNU.sparse.minor", "0");
    add_record(records, "GNU.sparse.name", path);
    add_record(records, "GNU.sparse.realsize", cat(entry.size));
    std::size_t slash = path.rfind('/');
    path = slash == path.npos ? cat("GNUSparseFile.0/", path) : cat(path.substr(0, slash), "/GNUSparseFile.0", path.substr(slash));
  }
  if (entry.type == T::directory && !path.ends_with('/')) path += '/';
  if (!split_path(path, prefix, name)) add_record(records, "path", path);
  if (entry.link.size() > 100) add_record(records, "linkpath", entry.link);
  if (!fits_octal(size, 11)) add_record(records, "size", cat(size));
  if (!fits_octal(entry.uid, 7)) add_record(records, "uid", cat(entry.uid));
  if (!fits_octal(entry.gid, 7)) add_record(records, "gid", cat(entry.gid));
  if (entry.mtime < 0 || !fits_octal(static_cast<std::uint64_t>(entry.mtime), 11)) add_record(records, "mtime", cat(entry.mtime));
  for (const auto& [key, value] : entry.xattrs) add_record(records, "SCHILY.xattr." + key, value);
  if (!records.empty()) {
    Entry extended;
    extended.mode = 0644;
    std::string base = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
    base = base.substr(base.rfind('/') == base.npos ? 0 : base.rfind('/') + 1);
    header(extended, 'x', records.size(), "PaxHeaders/" + base.substr(0, 80), "");
    output_.write(records);
    output_.write({kZeros, (kBlock - records.size() % kBlock) % kBlock});
  }
  header(entry, type, size, path, entry.link);
  left_ = size;
  padding_ = (kBlock - size % kBlock) % kBlock;
  if (!map.empty()) write(map);
}

void TarWriter::write(std::string_view bytes) {
  if (bytes.size() > left_) throw Error("a file grew while it was archived");
  output_.write(bytes);
  left_ -= bytes.size();
}

void TarWriter::add_file(const std::string& path, std::string_view content, std::int64_t mtime, std::uint32_t mode) {
  Entry entry;
  entry.path = path;
  entry.size = content.size();
  entry.mtime = mtime;
  entry.mode = mode;
  add(entry);
  write(content);
}

void TarWriter::finish() {
  if (left_ > 0) throw Error("a file became shorter while it was archived");
  if (padding_ > 0) output_.write({kZeros, static_cast<std::size_t>(std::exchange(padding_, 0))});
  output_.write({kZeros, kBlock});
  output_.write({kZeros, kBlock});
}

}  // namespace udocker::archive
