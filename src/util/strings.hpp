// Small text helpers. All pure; bytes are not interpreted unless a comment says so.
#pragma once
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace udocker {

namespace detail {
inline void append(std::string& out, std::string_view text) { out += text; }
inline void append(std::string& out, char c) { out += c; }
template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, char> && !std::is_same_v<T, bool>)
void append(std::string& out, T number) {
  char buffer[24];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  out.append(buffer, end);
}
}  // namespace detail

// Texts and integers joined without separators: cat("layer ", n, " of ", total).
template <typename... Parts>
std::string cat(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

std::vector<std::string> split(std::string_view text, char separator);        // keeps empty parts
std::vector<std::string> split_words(std::string_view text);                  // at runs of blanks, no empty parts
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);                                 // ASCII blanks at both ends
std::string to_lower(std::string_view text);                                  // ASCII only
bool starts_with_word(std::string_view text, std::string_view prefix);        // prefix ends at end or at '/'
// The whole text as an unsigned decimal number; nothing on any other character, sign, or overflow.
std::optional<std::uint64_t> parse_number(std::string_view text);
std::string hex(const void* data, std::size_t size);                          // lower case
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);              // standard alphabet, padding optional
std::string human_size(std::uint64_t bytes);                                  // "12.3MB", powers of 1000 as docker
// Control characters, and bytes that are not valid UTF-8, as \xNN: for names in messages.
std::string printable(std::string_view text);
// printf-like field: text cut to `precision` bytes (0: not cut) and padded to `width` (negative: left aligned).
std::string pad(std::string_view text, int width, std::size_t precision = 0);
// The candidate nearest to `word` by edit distance, when near enough to be worth suggesting.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace udocker
