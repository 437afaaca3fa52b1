// The loader stub: a one-page program that runs a script of system calls, so that a dynamic program and its guest
// interpreter are mapped by the process itself and not by many stops.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace udocker::ptrace {

#if defined(__x86_64__)
inline constexpr uint64_t kStubAddress = 0x7e9000000000;
#else
inline constexpr uint64_t kStubAddress = 0x7e90000000;
#endif
// For 32-bit programs on x86_64: between where fixed and where position-independent ones lie, with room for their heap.
inline constexpr uint64_t kNarrowStubAddress = 0x20000000;
inline constexpr uint64_t kStubSize = 4096;

inline bool in_stub(uint64_t address, bool narrow) {
  uint64_t start = narrow ? kNarrowStubAddress : kStubAddress;
  return address >= start && address < start + kStubSize;
}

// The complete ELF file, and its entry point as the kernel maps it; `narrow`: of the 32-bit one, which only x86_64 has.
std::vector<char> stub_image(bool narrow);
uint64_t stub_entry(bool narrow);

// A script: steps of eight words, run in order. "base" and "fd" are two registers of the stub; the 32-bit one takes the
// lower halves of the words and has their upper halves for itself.
class Script {
 public:
  enum Flag : uint64_t {
    kAddBase = 1,         // argument 0 += base
    kDescriptor4 = 2,     // argument 4 = fd
    kDescriptor0 = 4,     // argument 0 = fd
    kSetBase = 8,         // base = result
    kSetDescriptor = 16,  // fd = result
    kMayFail = 32,        // else a failing call ends the process with status 127
  };
  void call(long number, std::initializer_list<uint64_t> arguments, uint64_t flags);
  void store(uint64_t address, uint64_t value);  // *address = value + base
  void clear(uint64_t address, uint64_t size);   // from address + base
  void add_base(uint64_t value);                 // base += value
  void set_base(uint64_t value);
  void jump(uint64_t address, uint64_t stack);   // to address + base
  const std::vector<uint64_t>& words() const { return words_; }
  int calls() const { return calls_; }

 private:
  void step(uint64_t code, uint64_t a, uint64_t b);
  std::vector<uint64_t> words_;
  int calls_ = 0;
};

}  // namespace udocker::ptrace
