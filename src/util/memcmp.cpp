// memcmp(3) for the whole program: musl's takes one byte at a time, which was a third of the time of a setup.
#include <cstddef>
#include <cstdint>
#include <cstring>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
namespace {

std::uint64_t word_at(const unsigned char* bytes) {
  std::uint64_t word;
  __builtin_memcpy(&word, bytes, sizeof word);
  return word;
}

}  // namespace

extern "C" int memcmp(const void* left, const void* right, std::size_t size) noexcept {
  auto* a = static_cast<const unsigned char*>(left);
  auto* b = static_cast<const unsigned char*>(right);
  constexpr std::size_t kWord = sizeof(std::uint64_t), kWords = 4 * kWord;
  for (; size >= kWords; a += kWords, b += kWords, size -= kWords) {
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < kWords; i += kWord) difference |= word_at(a + i) ^ word_at(b + i);
    if (difference != 0) break;  // found below
  }
  for (; size >= kWord && word_at(a) == word_at(b); a += kWord, b += kWord) size -= kWord;
  for (; size > 0; ++a, ++b, --size)
    if (*a != *b) return *a - *b;
  return 0;
}
#endif
