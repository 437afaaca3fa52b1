// Bounded paths that do not mix, text views and results, for code without libc.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace udocker::guest {

inline constexpr size_t kPathMax = 4096;  // as the kernel's, with the final NUL

// A borrowed run of characters; not terminated.
struct Text {
  const char* data = "";
  size_t size = 0;

  constexpr Text() = default;
  constexpr Text(const char* text, size_t length) : data(text), size(length) {}
  constexpr Text(const char* text) : data(text) {  // NOLINT: literals are texts
    while (text[size]) ++size;
  }
  constexpr char operator[](size_t at) const { return data[at]; }
  constexpr bool empty() const { return size == 0; }
  constexpr Text from(size_t at) const { return {data + at, size - at}; }
  constexpr Text first(size_t count) const { return {data, count}; }
  constexpr bool starts_with(Text other) const {
    if (other.size > size) return false;
    for (size_t i = 0; i < other.size; ++i)
      if (data[i] != other.data[i]) return false;
    return true;
  }
  friend constexpr bool operator==(Text a, Text b) { return a.size == b.size && a.starts_with(b); }
};

// True if `path` is `directory` or lies below it; both absolute without trailing slash, "/" contains all.
constexpr bool contains_path(Text directory, Text path) {
  if (directory.size == 1 && directory[0] == '/') return path.size > 0 && path[0] == '/';
  return path.starts_with(directory) && (path.size == directory.size || path[directory.size] == '/');
}

// Little-endian word of up to 8 bytes.
constexpr uint64_t word_of(const char* bytes, size_t count) {
  if (!__builtin_is_constant_evaluated() && count == 8) {
    uint64_t word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
  }
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i) word |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return word;
}

// 64 bit hash by words that can be continued.
constexpr uint64_t hash_text(Text text, uint64_t seed = 0xcbf29ce484222325u) {
  seed ^= text.size;
  size_t at = 0;
  for (; at + 8 <= text.size; at += 8) {
    seed = (seed ^ word_of(text.data + at, 8)) * 0x9fb21c651e98df25u;
    seed ^= seed >> 32;
  }
  seed = (seed ^ word_of(text.data + at, text.size - at)) * 0x9fb21c651e98df25u;
  return seed ^ (seed >> 29);
}

// Copies by words: paths are short, and there is no libc that would do it well.
inline void copy_bytes(char* to, const char* from, size_t size) {
  if (size < 8) {
    for (size_t i = 0; i < size; ++i) to[i] = from[i];
    return;
  }
  uint64_t word, last;
  __builtin_memcpy(&last, from + size - 8, sizeof last);
  for (size_t at = 0; at + 8 < size; at += 8) {
    __builtin_memcpy(&word, from + at, sizeof word);
    __builtin_memcpy(to + at, &word, sizeof word);
  }
  __builtin_memcpy(to + size - 8, &last, sizeof last);
}

// A terminated path of at most kPathMax-1 characters. Operations that would not fit set `overflow` and leave a
// terminated, truncated text; callers check once at the end.
template <class Tag>
class BasicPath {
 public:
  BasicPath() { text_[0] = '\0'; }
  BasicPath(const BasicPath&) = delete;
  BasicPath& operator=(const BasicPath&) = delete;

  const char* c_str() const { return text_; }
  char* buffer() { return text_; }  // for system calls; follow with set_size
  Text text() const { return {text_, size_}; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool overflow() const { return overflow_; }
  char back() const { return size_ ? text_[size_ - 1] : '\0'; }

  void set_size(size_t size) {
    size_ = size < kPathMax ? size : kPathMax - 1;
    text_[size_] = '\0';
  }
  void clear() {
    size_ = 0;
    text_[0] = '\0';
    overflow_ = false;
  }
  void assign(Text text) {
    clear();
    append(text);
  }
  void append(Text text) {
    size_t room = kPathMax - 1 - size_;
    if (text.size > room) overflow_ = true;
    size_t count = text.size < room ? text.size : room;
    copy_bytes(text_ + size_, text.data, count);
    size_ += count;
    text_[size_] = '\0';
  }
  // Adds "/name"; one slash in between also when this is "/".
  void append_component(Text name) {
    if (back() != '/') append("/");
    append(name);
  }
  void append_number(uint64_t value) {
    char digits[20];
    size_t count = 0;
    do digits[count++] = static_cast<char>('0' + value % 10);
    while (value /= 10);
    while (count) append(Text(&digits[--count], 1));
  }
  // Drops the last component: "/a/b" to "/a", "/a" to "/".
  void pop_component() {
    while (size_ > 1 && text_[size_ - 1] != '/') --size_;
    if (size_ > 1) --size_;
    text_[size_] = '\0';
  }

 private:
  uint32_t size_ = 0;
  bool overflow_ = false;
  char text_[kPathMax];
};

struct GuestTag {};
struct HostTag {};
using GuestPath = BasicPath<GuestTag>;  // as the program under the view sees it
using HostPath = BasicPath<HostTag>;    // as the kernel sees it

}  // namespace udocker::guest
