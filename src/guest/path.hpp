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

// FNV-like 64 bit hash that can be continued.
constexpr uint64_t hash_text(Text text, uint64_t seed = 0xcbf29ce484222325u) {
  for (size_t i = 0; i < text.size; ++i) seed = (seed ^ static_cast<unsigned char>(text.data[i])) * 0x100000001b3u;
  return seed ^ (seed >> 29);
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
    for (size_t i = 0; i < count; ++i) text_[size_ + i] = text.data[i];
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
