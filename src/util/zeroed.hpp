// Large plain objects that begin as zeros in memory that costs nothing until it is written: a start of the program that
// clears a hundred kilobytes pays for each page of them.
#pragma once
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#include <sys/mman.h>

namespace udocker {

struct Unmap {
  std::size_t size;
  void operator()(void* at) const { ::munmap(at, size); }
};
template <class T>
using Zeroed = std::unique_ptr<T, Unmap>;

// All bytes zero, also where T's members have another initial value. Throws std::bad_alloc.
template <class T>
Zeroed<T> map_zeroed() {
  static_assert(std::is_trivially_destructible_v<T>);
  void* at = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return Zeroed<T>(static_cast<T*>(at), Unmap{sizeof(T)});
}

// Made by T's default constructor, which leaves most of it alone.
template <class T>
Zeroed<T> make_zeroed() {
  auto made = map_zeroed<T>();
  ::new (static_cast<void*>(made.get())) T;
  return made;
}

}  // namespace udocker
