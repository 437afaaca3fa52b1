#include "guest/memory.hpp"

#include <asm/errno.h>

namespace udocker::guest {

long OwnMemory::read(uint64_t address, void* out, size_t size) {
  __builtin_memcpy(out, reinterpret_cast<const void*>(address), size);
  return 0;
}

long OwnMemory::write(uint64_t address, const void* data, size_t size) {
  __builtin_memcpy(reinterpret_cast<void*>(address), data, size);
  return 0;
}

long OwnMemory::read_text(uint64_t address, char* out, size_t capacity) {
  auto* text = reinterpret_cast<const char*>(address);
  for (size_t i = 0; i < capacity; ++i)
    if (!(out[i] = text[i])) return static_cast<long>(i);
  return -ENAMETOOLONG;
}

uint64_t OwnMemory::place_for(size_t size) { return size <= sizeof place_ ? reinterpret_cast<uint64_t>(place_) : 0; }

}  // namespace udocker::guest
