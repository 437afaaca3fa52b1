// The first argument of the runtime: everything a program image must know, as length-prefixed texts.
#pragma once
#include "guest/identity.hpp"
#include "guest/path.hpp"

namespace udocker::trap {

// The order of the texts.
enum StartWord { kSettingsWord, kProgramWord, kInterpreterWord, kProgramGuestWord, kRootWord, kIdentityWord, kFirstWord, kKeyWord, kStartWords };

// Writes "LENGTH:TEXT" one after the other.
class WordWriter {
 public:
  WordWriter(char* out, size_t capacity) : out_(out), capacity_(capacity) {}
  void add(guest::Text text) {
    number(text.size);
    put(':');
    for (size_t i = 0; i < text.size; ++i) put(text.data[i]);
  }
  void add_hex(const void* data, size_t size) {
    auto* bytes = static_cast<const unsigned char*>(data);
    number(size * 2);
    put(':');
    for (size_t i = 0; i < size; ++i) {
      put("0123456789abcdef"[bytes[i] >> 4]);
      put("0123456789abcdef"[bytes[i] & 15]);
    }
  }
  bool end() {  // false when it did not fit
    put('\0');
    return size_ <= capacity_;
  }
  size_t size() const { return size_; }

 private:
  void put(char c) {
    if (size_ < capacity_) out_[size_] = c;
    ++size_;
  }
  void number(size_t value) {
    char digits[20];
    size_t count = 0;
    do digits[count++] = static_cast<char>('0' + value % 10);
    while (value /= 10);
    while (count) put(digits[--count]);
  }

  char* out_;
  size_t capacity_, size_ = 0;
};

// Splits such a text; the words borrow it and are not terminated.
inline bool split_words(const char* text, guest::Text* words, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    size_t size = 0;
    if (*text < '0' || *text > '9') return false;
    while (*text >= '0' && *text <= '9') size = size * 10 + static_cast<size_t>(*text++ - '0');
    if (*text++ != ':') return false;
    words[i] = {text, size};
    for (size_t k = 0; k < size; ++k)
      if (!text[k]) return false;
    text += size;
  }
  return *text == '\0';
}

inline bool read_hex(guest::Text text, void* out, size_t size) {
  if (text.size != size * 2) return false;
  auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i < size; ++i)
    static_cast<unsigned char*>(out)[i] = static_cast<unsigned char>(value(text[2 * i]) << 4 | value(text[2 * i + 1]));
  return true;
}

}  // namespace udocker::trap
