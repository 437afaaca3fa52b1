#include "elf/ld_cache.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

namespace udocker::elf {

namespace {

constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
constexpr std::size_t kHead = 48, kEntry = 24;
constexpr std::uint32_t kExtensionMagic = 0xeaa42174, kHwcapsTag = 1;
constexpr std::uint64_t kHwcapIndexed = std::uint64_t{1} << 62;

template <typename T>
std::optional<T> get(std::string_view bytes, std::size_t at) {
  T value;
  if (at > bytes.size() || bytes.size() - at < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::optional<std::string> text_at(std::string_view bytes, std::uint32_t at) {
  if (at >= bytes.size()) return std::nullopt;
  std::size_t end = bytes.find('\0', at);
  if (end == bytes.npos) return std::nullopt;
  return std::string(bytes.substr(at, end - at));
}

std::vector<std::string> parse_hwcaps(std::string_view bytes, std::uint32_t at) {
  std::vector<std::string> names;
  if (at == 0 || get<std::uint32_t>(bytes, at) != kExtensionMagic) return names;
  std::uint32_t sections = get<std::uint32_t>(bytes, at + 4).value_or(0);
  for (std::uint32_t i = 0; i < std::min(sections, 16u); ++i) {
    std::size_t section = at + 8 + i * 16;
    if (get<std::uint32_t>(bytes, section) != kHwcapsTag) continue;
    std::uint32_t from = get<std::uint32_t>(bytes, section + 8).value_or(0), size = get<std::uint32_t>(bytes, section + 12).value_or(0);
    for (std::uint32_t j = 0; j < std::min(size / 4, 64u); ++j)
      names.push_back(text_at(bytes, get<std::uint32_t>(bytes, from + j * 4).value_or(~0u)).value_or(""));
  }
  return names;
}

// The strings behind the entries, each once; offsets count from the start of the file.
class Strings {
 public:
  explicit Strings(std::size_t start) : start_(start) {}
  std::uint32_t add(const std::string& text) {
    auto [at, is_new] = known_.try_emplace(text, static_cast<std::uint32_t>(start_ + bytes_.size()));
    if (is_new) bytes_.append(text).push_back('\0');
    return at->second;
  }
  std::string& bytes() { return bytes_; }

 private:
  std::size_t start_;
  std::string bytes_;
  std::map<std::string, std::uint32_t> known_;
};

}  // namespace

int compare_library_names(std::string_view a, std::string_view b) {
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, j = 0;
  auto number = [&](std::string_view text, std::size_t& at) {
    int value = 0;
    for (; at < text.size() && is_digit(text[at]); ++at) value = static_cast<int>(static_cast<unsigned>(value) * 10u + static_cast<unsigned>(text[at] - '0'));
    return value;
  };
  while (i < a.size()) {
    char x = a[i], y = j < b.size() ? b[j] : '\0';
    if (is_digit(x)) {
      if (!is_digit(y)) return 1;
      int left = number(a, i), right = number(b, j);
      if (left != right) return left - right;
    } else if (is_digit(y)) {
      return -1;
    } else if (x != y) {
      return x - y;
    } else {
      ++i, ++j;
    }
  }
  return j < b.size() ? -b[j] : 0;
}

LdCache parse_ld_cache(std::string_view bytes) {
  LdCache cache;
  // Caches for glibc before 2.32 begin with an older table; the offsets count from the magic text.
  std::size_t start = bytes.find(kMagic);
  if (start == bytes.npos) return cache;
  bytes.remove_prefix(start);
  std::uint32_t count = get<std::uint32_t>(bytes, 20).value_or(0);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::size_t at = kHead + i * kEntry;
    if (at + kEntry > bytes.size()) break;
    auto name = text_at(bytes, *get<std::uint32_t>(bytes, at + 4)), path = text_at(bytes, *get<std::uint32_t>(bytes, at + 8));
    if (!name || !path) continue;
    cache.entries.push_back({*name, *path, *get<std::int32_t>(bytes, at), *get<std::uint32_t>(bytes, at + 12), *get<std::uint64_t>(bytes, at + 16)});
  }
  cache.hwcaps = parse_hwcaps(bytes, get<std::uint32_t>(bytes, 32).value_or(0));
  return cache;
}

std::string format_ld_cache(const LdCache& cache) {
  std::vector<LdCacheEntry> entries;
  for (const auto& entry : cache.entries)
    if (!(entry.hwcap & kHwcapIndexed) || (entry.hwcap & 0xffffffff) < cache.hwcaps.size()) entries.push_back(entry);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return compare_library_names(a.name, b.name) > 0; });
  Strings strings(kHead + entries.size() * kEntry);
  std::string table;
  for (const auto& entry : entries) {
    put(table, entry.flags);
    put(table, strings.add(entry.name));
    put(table, strings.add(entry.path));
    put(table, entry.os_version);
    put(table, entry.hwcap);
  }
  std::vector<std::uint32_t> names;
  for (const auto& name : cache.hwcaps) names.push_back(strings.add(name));
  std::uint32_t length = static_cast<std::uint32_t>(strings.bytes().size()), extension = 0;
  if (!names.empty()) {
    auto end = [&] { return static_cast<std::uint32_t>(kHead + table.size() + strings.bytes().size()); };
    while (end() % 4 != 0) strings.bytes().push_back('\0');
    length = static_cast<std::uint32_t>(strings.bytes().size());
    extension = end();
    std::string& out = strings.bytes();
    for (std::uint32_t word : {kExtensionMagic, 1u, kHwcapsTag, 0u, extension + 24, static_cast<std::uint32_t>(names.size() * 4)}) put(out, word);
    for (std::uint32_t name : names) put(out, name);
  }
  std::string out(kMagic);
  put(out, static_cast<std::uint32_t>(entries.size()));
  put(out, length);
  put(out, std::uint32_t{2});  // flags: little endian; three bytes of padding
  put(out, extension);
  out.append(kHead - out.size(), '\0');
  return out + table + strings.bytes();
}

std::int32_t ld_cache_flags(std::string_view machine) { return machine == "x86_64" ? 0x303 : machine == "aarch64" ? 0xa03 : 3; }

}  // namespace udocker::elf
