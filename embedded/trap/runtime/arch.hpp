// What differs between processors: signal frames, registers at a trap, numbers only one of them has. The parts that are
// code lie in the files named after a processor.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace udocker::trap {

struct AltStack {
  uint64_t base;
  int32_t flags, pad;
  uint64_t size;
};

struct SigInfo {
  int32_t signal, error, code, pad;
  union {
    struct {
      uint64_t call_address;
      int32_t number;
      uint32_t arch;
    };
    uint64_t fault_address;
    uint8_t fill[112];
  };
};

}  // namespace udocker::trap

#if defined(__x86_64__)
#include "embedded/trap/runtime/arch_x86_64.hpp"
#elif defined(__aarch64__)
#include "embedded/trap/runtime/arch_aarch64.hpp"
#else
#error "the trap runtime knows no such processor"
#endif
