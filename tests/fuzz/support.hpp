// Shared by the fuzz targets: a place in memory, tar headers made believable, choices taken from the input.
#pragma once
#include "util/error.hpp"
#include "util/file.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include <unistd.h>

namespace udocker::fuzz {

inline std::string place_for_files() {
  if (::access("/dev/shm", W_OK) == 0) return "/dev/shm";
  const char* other = std::getenv("TMPDIR");
  return other ? other : "/tmp";
}

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}
inline void require(bool condition, const char* what = "a promise is broken") {
  if (!condition) fail(what);
}

// A refusal is an answer; anything else ends the target.
template <typename Work>
void attempt(const Work& work) {
  try {
    work();
  } catch (const Error&) {
  }
}

// Every block that looks like a header gets the right checksum, so that the reader looks at what is behind it.
inline void repair_checksums(std::string& tar) {
  for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
    char* block = tar.data() + at;
    if (at > 0 && std::memcmp(block + 257, "ustar", 5) != 0) continue;
    std::memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(block[i]);
    char text[8];
    std::snprintf(text, sizeof text, "%06o", sum);
    std::memcpy(block + 148, text, 7);
  }
}

// Takes small decisions and texts from the input until it is used up.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool more() const { return size_ > 0; }
  unsigned byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  unsigned below(unsigned limit) { return byte() % limit; }
  std::string text(std::size_t length) {
    std::string out(reinterpret_cast<const char*>(data_), length < size_ ? length : size_);
    data_ += out.size();
    size_ -= out.size();
    return out;
  }
  std::string rest() { return text(size_); }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace udocker::fuzz
