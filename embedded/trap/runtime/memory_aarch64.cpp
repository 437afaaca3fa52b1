#if defined(__aarch64__)
// Block operations for a runtime without vector registers; they replace src/guest's plain ones.
#include "embedded/trap/runtime/arch.hpp"

namespace udocker::trap {

uint64_t page_size;  // 4, 16 or 64 KiB

}  // namespace udocker::trap

extern "C" void* memset(void* to, int value, size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  uint64_t word = 0x0101010101010101 * static_cast<unsigned char>(value);
  // As assembly, which the compiler does not turn into a call of this very function.
  for (; size >= 16; size -= 16, out += 16) asm volatile("stp %0, %0, [%1]" ::"r"(word), "r"(out) : "memory");
  for (; size; --size, ++out) asm volatile("strb %w0, [%1]" ::"r"(word), "r"(out) : "memory");
  return to;
}
#endif
