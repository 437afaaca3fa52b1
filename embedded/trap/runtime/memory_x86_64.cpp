#if defined(__x86_64__)
// Block operations for a runtime without vector registers; they replace src/guest's plain ones.
#include <stddef.h>

extern "C" void* memset(void* to, int value, size_t size) {
  void* result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
  return result;
}
#endif
