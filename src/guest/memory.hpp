// Door to the memory of the program under the view: another process (ptrace) or our own (trap, preload).
#pragma once
#include "guest/path.hpp"

namespace udocker::guest {

// Every function returns 0 or a negative errno (-EFAULT for a bad address; nothing is written to `out` then).
class Memory {
 public:
  virtual long read(uint64_t address, void* out, size_t size) = 0;
  virtual long write(uint64_t address, const void* data, size_t size) = 0;
  // Reads a terminated text of at most capacity-1 characters; returns its length, -ENAMETOOLONG when it is longer.
  virtual long read_text(uint64_t address, char* out, size_t capacity) = 0;
  // Address of `size` bytes the program can read until the call at hand has begun; 0: none.
  virtual uint64_t place_for(size_t size) = 0;

 protected:
  ~Memory() = default;
};

// Our own address space without fault protection: for tests and for calls known to be safe.
class OwnMemory final : public Memory {
 public:
  long read(uint64_t address, void* out, size_t size) override;
  long write(uint64_t address, const void* data, size_t size) override;
  long read_text(uint64_t address, char* out, size_t capacity) override;
  uint64_t place_for(size_t size) override;

 private:
  alignas(16) char place_[512];
};

}  // namespace udocker::guest
