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

// Guest memory that may fault, as src/guest wants it.
class OwnGuest final : public guest::Memory {
 public:
  long read(uint64_t at, void* out, size_t size) override;
  long write(uint64_t at, const void* data, size_t size) override;
  long read_text(uint64_t at, char* out, size_t capacity) override;
  uint64_t place_for(size_t size) override;

 private:
  alignas(16) char place_[1024];
};

struct Slot {
  int32_t busy;  // 0 free; the kernel clears it when a vfork child leaves our memory (set_tid_address)
  int32_t done;  // the guest's call itself has been made
  uint64_t mark, sp;
  const Trap* trap;
  char* extra;  // grown on demand, kept with the slot
  size_t extra_size;
  guest::Call call;
  guest::Decision decision;
  OwnGuest memory;
  guest::Task task;
};

// Never fails but by running out of memory (null).
Slot* claim_slot(const Trap& trap);
void release_slot(Slot* slot);
// At least `size` bytes that stay with the slot; null when there is no memory.
char* slot_extra(Slot* slot, size_t size);
// The innermost trap of this thread whose frames lie above `sp`; null when there is none.
Slot* slot_above(uint64_t sp);

}  // namespace udocker::trap
