#include "archive/tar.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace udocker::archive {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kLargestMeta = 4u << 20;     // all extended headers of an entry
constexpr std::size_t kMostGlobal = 1u << 20;        // texts of global headers
constexpr std::size_t kMostXattrs = 1000;            // of an entry
constexpr std::uint64_t kLargestFile = 1ull << 60;
constexpr std::size_t kMostSegments = 200'000;

// Fields of a header block: offset and length.
struct Field {
  std::size_t at, length;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kMtime{136, 12}, kSum{148, 8},
    kLink{157, 100}, kMagic{257, 8}, kMajor{329, 8}, kMinor{337, 8}, kPrefix{345, 155};

std::string_view text_of(const char* block, Field field) {
  std::string_view text(block + field.at, field.length);
  return text.substr(0, text.find('\0'));
}

// Octal text, or base-256 when the top bit is set (negative with 0xff first).
std::int64_t number_of(const char* text, std::size_t length) {
  auto first = static_cast<unsigned char>(text[0]);
  if (first & 0x80) {
    std::uint64_t value = (first & 0x40) ? ~0ull : 0;
    value = (value << 6) | (first & 0x3f);
    for (std::size_t i = 1; i < length; ++i) value = value << 8 | static_cast<unsigned char>(text[i]);
    return static_cast<std::int64_t>(value);
  }
  std::int64_t value = 0;
  for (std::size_t i = 0; i < length; ++i) {
    char c = text[i];
    if (c >= '0' && c <= '7') value = value * 8 + (c - '0');
    else if (c != ' ' || value != 0) break;
  }
  return value;
}
std::int64_t number_of(const char* block, Field field) { return number_of(block + field.at, field.length); }

bool checksum_fits(const char* block) {
  std::int64_t plain = 0, with_sign = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    char c = i >= kSum.at && i < kSum.at + kSum.length ? ' ' : block[i];
    plain += static_cast<unsigned char>(c);
    with_sign += static_cast<signed char>(c);
  }
  std::int64_t said = number_of(block, kSum);
  return said == plain || said == with_sign;
}

std::uint64_t padding_of(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

TarReader::TarReader(Input& input, std::string name) : input_(input), name_(std::move(name)) {}

void TarReader::bad(std::string_view why) const { throw IntegrityError(cat(name_, ": not a whole tar archive: ", why)); }

bool TarReader::block(char* out) {
  std::size_t have = 0;
  while (have < kBlock) {
    if (piece_.empty() && (piece_ = input_.next()).empty()) {
      if (have > 0) bad("it ends inside a block");
      return false;
    }
    std::size_t take = std::min(kBlock - have, piece_.size());
    std::memcpy(out + have, piece_.data(), take);
    piece_.remove_prefix(take);
    have += take;
  }
  return true;
}

void TarReader::need_block(char* out) {
  if (!block(out)) bad("it ends too early");
}

std::string_view TarReader::data() {
  if (left_ == 0) return {};
  if (piece_.empty() && (piece_ = input_.next()).empty()) bad("it ends inside a file");
  std::string_view part = piece_.substr(0, std::min<std::uint64_t>(left_, piece_.size()));
  piece_.remove_prefix(part.size());
  left_ -= part.size();
  return part;
}

void TarReader::skip_rest() {
  while (left_ > 0) data();
  left_ = std::exchange(padding_, 0);
  while (left_ > 0) data();
}

std::string TarReader::read_meta(std::uint64_t size) {
  if (size > kLargestMeta || (meta_ += size) > kLargestMeta) bad("an extended header is too large");
  std::string text;
  left_ = size;
  padding_ = padding_of(size);
  for (auto part = data(); !part.empty(); part = data()) text += part;
  skip_rest();
  return text;
}

std::string TarReader::text(const Entry& entry, std::uint64_t limit) {
  if (entry.size > limit) throw IntegrityError(cat(name_, ": ", printable(entry.path), " is larger than ", limit, " bytes"));
  std::string content;
  for (auto part = data(); !part.empty(); part = data()) content += part;
  return content;
}

void TarReader::drain() {
  piece_ = {};
  while (!input_.next().empty()) {}
}

// Records are "LENGTH KEY=VALUE\n", LENGTH counting itself. Values may hold any byte.
// Those that mean something here are kept.
static bool is_known(std::string_view key) {
  for (std::string_view known : {"path", "linkpath", "uid", "gid", "mtime", "size", "SCHILY.devmajor", "SCHILY.devminor"})
    if (key == known) return true;
  return key.starts_with("SCHILY.xattr.") || key.starts_with("LIBARCHIVE.xattr.") || key.starts_with("GNU.sparse.");
}

static void parse_pax(const std::string& records, std::map<std::string, std::string>& out, Entry* sparse) {
  std::string_view rest = records;
  std::uint64_t hole_offset = 0;
  while (!rest.empty() && rest[0] != '\0') {
    std::size_t blank = rest.find(' ');
    auto length = parse_number(rest.substr(0, blank));
    if (blank == rest.npos || !length || *length > rest.size() || *length < blank + 3 || rest[*length - 1] != '\n')
      throw IntegrityError("malformed extended header in a tar archive");
    std::string_view record = rest.substr(blank + 1, *length - blank - 2);
    rest.remove_prefix(*length);
    std::size_t equals = record.find('=');
    if (equals == record.npos || equals == 0) throw IntegrityError("malformed extended header in a tar archive");
    std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (sparse && key == "GNU.sparse.offset") {
      hole_offset = parse_number(value).value_or(0);
    } else if (sparse && key == "GNU.sparse.numbytes") {
      sparse->segments.emplace_back(hole_offset, parse_number(value).value_or(0));
      if (sparse->segments.size() > kMostSegments) throw IntegrityError("too many holes in a file of a tar archive");
    } else if (value.empty() && !key.starts_with("SCHILY.xattr.")) {
      out.erase(std::string(key));
    } else if (is_known(key)) {
      out[std::string(key)] = value;
      if (out.size() > kMostXattrs + 20) throw IntegrityError("too many extended attributes in a tar archive");
    }
  }
}

static void take_time(std::string_view text, Entry& entry) {
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::size_t dot = text.find('.');
  auto seconds = parse_number(text.substr(0, dot));
  if (!seconds || *seconds > (1ull << 60)) return;
  std::uint32_t nanoseconds = 0;
  if (dot != text.npos) {
    std::string digits(text.substr(dot + 1, 9));
    digits.resize(9, '0');
    nanoseconds = static_cast<std::uint32_t>(parse_number(digits).value_or(0));
  }
  entry.mtime = static_cast<std::int64_t>(*seconds);
  if (negative) {
    entry.mtime = -entry.mtime;
    if (nanoseconds > 0) --entry.mtime, nanoseconds = 1'000'000'000 - nanoseconds;
  }
  entry.mtime_nsec = nanoseconds;
}

static void take_segments(std::string_view map, Entry& entry) {
  auto numbers = split(map, ',');
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
    entry.segments.emplace_back(parse_number(numbers[i]).value_or(0), parse_number(numbers[i + 1]).value_or(0));
    if (entry.segments.size() > kMostSegments) throw IntegrityError("too many holes in a file of a tar archive");
  }
}

// Fills in what the records say. entry.size was the stored size; for sparse files it becomes the real one.
static void apply_pax(Entry& entry, const std::map<std::string, std::string>& pax) {
  for (const auto& [key, value] : pax) {
    if (key == "path") entry.path = value;
    else if (key == "linkpath") entry.link = value;
    else if (key == "uid") entry.uid = parse_number(value).value_or(entry.uid);
    else if (key == "gid") entry.gid = parse_number(value).value_or(entry.gid);
    else if (key == "mtime") take_time(value, entry);
    else if (key == "SCHILY.devmajor") entry.major = static_cast<std::uint32_t>(parse_number(value).value_or(0));
    else if (key == "SCHILY.devminor") entry.minor = static_cast<std::uint32_t>(parse_number(value).value_or(0));
    else if (key.starts_with("SCHILY.xattr.")) entry.xattrs[key.substr(13)] = value;
    else if (key.starts_with("LIBARCHIVE.xattr."))
      entry.xattrs.emplace(percent_decoded(key.substr(17)), base64_decode(value).value_or(""));
  }
}

void TarReader::read_old_sparse(Entry& entry, const char* header) {
  auto take = [&](const char* at, int count) {
    for (int i = 0; i < count; ++i, at += 24) {
      if (at[0] == '\0') return;
      entry.segments.emplace_back(number_of(at, 12), number_of(at + 12, 12));
    }
    if (entry.segments.size() > kMostSegments) bad("too many holes in a file");
  };
  take(header + 386, 4);
  entry.size = static_cast<std::uint64_t>(number_of(header + 483, 12));
  char more[kBlock];
  for (bool extended = header[482]; extended; extended = more[504]) {
    need_block(more);
    take(more, 21);
  }
}

// PAX 1.0: the map is at the head of the data, decimal numbers one per line, padded to a block.
void TarReader::read_sparse_map(Entry& entry) {
  std::uint64_t used = 0;
  std::string number;
  auto next_number = [&]() -> std::uint64_t {
    number.clear();
    while (true) {
      if (used >= left_ || used > kLargestMeta * 4) bad("a map of holes is cut off");
      if (piece_.empty() && (piece_ = input_.next()).empty()) bad("it ends inside a file");
      char c = piece_[0];
      piece_.remove_prefix(1);
      ++used;
      if (c == '\n') break;
      number += c;
      if (number.size() > 20) bad("a map of holes is malformed");
    }
    auto value = parse_number(number);
    if (!value) bad("a map of holes is malformed");
    return *value;
  };
  std::uint64_t count = next_number();
  if (count > kMostSegments) bad("too many holes in a file");
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t offset = next_number();
    entry.segments.emplace_back(offset, next_number());
  }
  std::uint64_t stored = left_;
  left_ = padding_of(used);
  if (used + left_ > stored) bad("a map of holes is cut off");
  std::uint64_t rest = stored - used - left_;
  while (left_ > 0) data();
  left_ = rest;
}

void TarReader::take_global(const std::string& records) {
  parse_pax(records, global_, nullptr);
  std::size_t sum = 0;
  for (const auto& [key, value] : global_) sum += key.size() + value.size();
  if (sum > kMostGlobal) bad("global headers are too large");
}

bool TarReader::next(Entry& entry) {
  if (ended_) return false;
  skip_rest();
  meta_ = 0;
  std::map<std::string, std::string> pax;
  std::string long_name, long_link;
  char header[kBlock];
  while (true) {
    if (!block(header)) {
      ended_ = true;
      return false;  // archives without the closing blocks exist
    }
    if (header[0] == '\0' && std::all_of(header, header + kBlock, [](char c) { return c == '\0'; })) {
      ended_ = true;
      return false;
    }
    if (!checksum_fits(header)) bad(any_ ? "a header is damaged" : "wrong header");
    any_ = true;
    std::int64_t size = number_of(header, kSize);
    if (size < 0 || static_cast<std::uint64_t>(size) > kLargestFile) bad("impossible size");
    std::uint64_t stored = static_cast<std::uint64_t>(size);
    char type = header[156];
    if (type == 'x' || type == 'X' || type == 'g' || type == 'L' || type == 'K') {
      std::string meta = read_meta(stored);
      if (type == 'L') long_name = meta.substr(0, meta.find('\0'));
      else if (type == 'K') long_link = meta.substr(0, meta.find('\0'));
      else if (type == 'g') take_global(meta);
      else {
        entry.segments.clear();
        parse_pax(meta, pax, &entry);
      }
      continue;
    }
    auto zero_segments = std::move(entry.segments);  // of a PAX 0.0 header before this one
    if (pax.find("GNU.sparse.size") == pax.end()) zero_segments.clear();
    entry = Entry();
    entry.segments = std::move(zero_segments);
    for (const auto& [key, value] : global_) pax.emplace(key, value);
    bool is_gnu = std::memcmp(header + kMagic.at, "ustar  ", 8) == 0;
    bool is_ustar = !is_gnu && std::memcmp(header + kMagic.at, "ustar", 5) == 0;
    entry.path = text_of(header, kName);
    if (is_ustar && header[kPrefix.at]) entry.path = cat(text_of(header, kPrefix), "/", entry.path);
    entry.link = text_of(header, kLink);
    if (!long_name.empty()) entry.path = long_name;
    if (!long_link.empty()) entry.link = long_link;
    entry.mode = static_cast<std::uint32_t>(number_of(header, kMode)) & 07777;
    entry.uid = static_cast<std::uint64_t>(number_of(header, kUid));
    entry.gid = static_cast<std::uint64_t>(number_of(header, kGid));
    entry.mtime = number_of(header, kMtime);
    if (is_gnu || is_ustar) {
      entry.major = static_cast<std::uint32_t>(number_of(header, kMajor));
      entry.minor = static_cast<std::uint32_t>(number_of(header, kMinor));
    }
    if (auto said = pax.find("size"); said != pax.end()) {
      auto number = parse_number(said->second);
      if (!number || *number > kLargestFile) bad("impossible size");
      stored = *number;
    }
    apply_pax(entry, pax);
    entry.size = stored;
    left_ = stored;
    padding_ = padding_of(stored);
    bool known = true, has_data = false;
    switch (type) {
      case '0': case '\0': case '7': case 'S':
        has_data = true;
        if (type != 'S' && entry.path.ends_with('/')) entry.type = Entry::Type::directory;
        break;
      case '1': entry.type = Entry::Type::hard_link; break;
      case '2': entry.type = Entry::Type::symbolic_link; break;
      case '3': entry.type = Entry::Type::character_device; break;
      case '4': entry.type = Entry::Type::block_device; break;
      case '5': case 'D': entry.type = Entry::Type::directory; break;
      case '6': entry.type = Entry::Type::fifo; break;
      default: known = false;
    }
    if (!known) {  // volume labels and the like
      skip_rest();
      pax.clear();
      long_name.clear();
      long_link.clear();
      continue;
    }
    if (has_data) {
      if (type == 'S') {
        entry.sparse = true;
        read_old_sparse(entry, header);
      } else if (auto major = pax.find("GNU.sparse.major"); major != pax.end() && major->second == "1") {
        entry.sparse = true;
        entry.segments.clear();
        read_sparse_map(entry);
      } else if (pax.count("GNU.sparse.size")) {
        entry.sparse = true;
        if (auto map = pax.find("GNU.sparse.map"); map != pax.end()) {
          entry.segments.clear();
          take_segments(map->second, entry);
        }
      }
      if (entry.sparse) {
        for (const char* key : {"GNU.sparse.realsize", "GNU.sparse.size"})
          if (auto said = pax.find(key); said != pax.end()) entry.size = parse_number(said->second).value_or(0);
        if (auto name = pax.find("GNU.sparse.name"); name != pax.end()) entry.path = name->second;
        std::uint64_t sum = 0, end = 0;
        for (auto [offset, length] : entry.segments) {
          if (offset < end || length > kLargestFile || offset > entry.size || length > entry.size - offset) bad("impossible holes");
          end = offset + length;
          sum += length;
        }
        if (entry.size > kLargestFile || sum != left_) bad("impossible holes");
      }
    } else {
      // Links, directories and the like have no data, whatever size their header tells (as Go's archive/tar sees it,
      // which makes most images); only GNU's directory listings do, which nobody needs.
      if (type == 'D') skip_rest();
      left_ = padding_ = 0;
      entry.size = 0;
    }
    if (entry.path.find('\0') != entry.path.npos || entry.link.find('\0') != entry.link.npos) bad("a name with a zero byte");
    return true;
  }
}

}  // namespace udocker::archive
