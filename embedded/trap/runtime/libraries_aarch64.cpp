#if defined(__aarch64__)
// No patched copies: the branch that could replace a call does not reach a window all processes share, so every call
// stops by the filter.
#include "embedded/trap/runtime/libraries.hpp"

#include "embedded/trap/runtime/process.hpp"
#include "embedded/trap/runtime/sites.hpp"

namespace udocker::trap {

Copy find_copy(const guest::ContentKey&, int, const char*) { return {}; }
bool adopt_copy(const Copy&, uint64_t) { return false; }

long on_mmap(const Trap& trap) {
  const uint64_t* arg = trap.arg;
  return call(__NR_mmap, static_cast<long>(arg[0]), static_cast<long>(arg[1]), static_cast<long>(arg[2]),
              static_cast<long>(arg[3]), static_cast<long>(arg[4]), static_cast<long>(arg[5]));
}

uint64_t site_before(uint64_t pc) { return pc - kCallSize; }

}  // namespace udocker::trap
#endif
