// Working memory of traps in progress, taken without locks and without knowing the thread.
#pragma once
#include "embedded/trap/runtime/arch.hpp"
#include "guest/translate.hpp"

namespace udocker::trap {

// One call of the guest being carried out.
struct Trap {
  long number;
  uint64_t arg[6];
  Frame* frame;  // stopped by the filter; null: from a patched site
  Site* site;
};

struct Slot {
  int32_t busy;  // 0 free; the kernel clears it when a vfork child leaves our memory (set_tid_address)
  int32_t done;  // the guest's call itself has been made
  uint64_t mark, sp;
  const Trap* trap;
  char* extra;  // grown on demand, kept with the slot
  size_t extra_size;
  guest::Task task;
  guest::Decision decision;
  guest::Call call;
};

// Never fails but by running out of memory (null).
Slot* claim_slot(const Trap& trap);
void release_slot(Slot* slot);
// At least `size` bytes that stay with the slot; null when there is no memory.
char* slot_extra(Slot* slot, size_t size);
// The innermost trap of this thread whose frames lie above `sp`; null when there is none.
Slot* slot_above(uint64_t sp);

}  // namespace udocker::trap
