// The few functions a compiler may call on its own, for builds without a C library.
#include <stddef.h>

#ifdef UDOCKER_FREESTANDING
#define UDOCKER_PLAIN __attribute__((weak, visibility("hidden"), optimize("no-tree-loop-distribute-patterns")))

extern "C" {

UDOCKER_PLAIN void* memcpy(void* to, const void* from, size_t size) {
  void* result = to;
  if (size <= 256) {
    auto* out = static_cast<char*>(to);
    auto* in = static_cast<const char*>(from);
    for (; size >= 8; size -= 8, out += 8, in += 8) {
      unsigned long word;
      __builtin_memcpy(&word, in, 8);
      __builtin_memcpy(out, &word, 8);
    }
    for (; size; --size) *out++ = *in++;
    return result;
  }
#if defined(__x86_64__)
  // A long copy is worth the start of the string instruction.
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
#else
  for (size_t i = 0; i < size; ++i) static_cast<char*>(to)[i] = static_cast<const char*>(from)[i];
#endif
  return result;
}

UDOCKER_PLAIN void* memset(void* to, int value, size_t size) {
  for (size_t i = 0; i < size; ++i) static_cast<char*>(to)[i] = static_cast<char>(value);
  return to;
}

UDOCKER_PLAIN void* memmove(void* to, const void* from, size_t size) {
  auto* out = static_cast<char*>(to);
  auto* in = static_cast<const char*>(from);
  if (out < in)
    for (size_t i = 0; i < size; ++i) out[i] = in[i];
  else
    while (size--) out[size] = in[size];
  return to;
}

UDOCKER_PLAIN int memcmp(const void* left, const void* right, size_t size) {
  auto* a = static_cast<const unsigned char*>(left);
  auto* b = static_cast<const unsigned char*>(right);
  for (; size >= 8; size -= 8, a += 8, b += 8) {
    unsigned long one, other;
    __builtin_memcpy(&one, a, 8);
    __builtin_memcpy(&other, b, 8);
    if (one != other) break;
  }
  for (; size; --size, ++a, ++b)
    if (*a != *b) return *a < *b ? -1 : 1;
  return 0;
}

UDOCKER_PLAIN void __cxa_pure_virtual() { __builtin_trap(); }
}
#endif
