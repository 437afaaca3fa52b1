// What the engine knows about one traced thread, and the door to its memory.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include <sys/types.h>

#include "guest/translate.hpp"

namespace udocker::ptrace {

// An address space: shared by the threads of a process and by a vfork child until it execs.
struct Space {
  std::string program;      // guest path shown as /proc/PID/exe
  uint64_t stack_top = 0;   // stack pointer at the program's start
  uint64_t auxv = 0, auxv_size = 0;  // where its auxiliary vector lies when a loader stub was executed
  uint64_t scratch = 0;     // memory mapped for rewritten arguments; 0: none
  uint64_t scratch_used = 0;  // one bit per slot
  bool scratch_failed = false;
};

inline constexpr uint64_t kScratchSlot = 8192, kScratchSlots = 64;

// What CLONE_FS shares beside the kernel's own state.
struct Place {
  guest::GuestPath root;
};

struct PendingExec;
struct TracedState;

// What the engine has made of a wait call of the guest's.
enum class WaitState : uint8_t {
  none,
  running,  // it may be blocked in the kernel: PTRACE_INTERRUPT makes it start again
  check,    // the result at its exit may have to be changed
  retry,    // nothing to wait for in the kernel's eyes: the next entry becomes a pause
  pausing,  // it runs as a pause
};

struct Tracee {
  explicit Tracee(pid_t id);
  ~Tracee();
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;

  pid_t tid, tgid;
  pid_t parent = 0;        // process
  bool inherited = false;  // its parent's event has been seen
  bool waiting = false;    // stopped until then
  bool in_call = false;    // between entry and exit stop of a call
  bool force_result = false;
  bool skip_entry = false;  // kernels before 4.8 report the entry after the seccomp stop
  bool finishing = false;  // finish() is due at the exit stop
  bool restore = false;    // arguments are put back at the exit stop
  // A call of ours that runs before the one at hand: it maps memory for copies, or installs a filter.
  enum class Inserted : uint8_t { none, memory, id_filter, sender_filter };
  Inserted inserted = Inserted::none;
  bool own_ids = false;    // has build_id_filter's program
  bool shows_senders = false;  // has build_sender_filter's program
  bool own_open = false;   // opens a file itself that may make it wait: see Engine::on_open_stop
  bool opening = false;    // the next entry is that call's
  int slot = -1;           // of Space::scratch
  std::shared_ptr<Space> space;
  std::shared_ptr<Place> place;
  guest::Identity identity{};
  guest::Call call;          // the call in progress, as the program made it
  guest::Decision decision;  // and what was decided
  std::unique_ptr<PendingExec> exec;
  std::unique_ptr<TracedState> traced;  // by a tracer inside
  WaitState wait_state = WaitState::none;
  bool group_stopped = false;
  bool kicked = false;  // PTRACE_INTERRUPT of ours is under way
  // Registers keep pointing to our copies after a call that needs no exit stop, also when the kernel restarts it:
  // where the copies are, what they stand for, and a hash of their bytes.
  struct Copy {
    uint64_t ours = 0, theirs = 0, hash = 0;
    uint32_t size = 0;
  };
  void keep_copy(uint64_t ours, uint64_t theirs, const void* data, uint32_t size) {
    copies[next_copy++ % 4] = {ours, theirs, guest::hash_text({static_cast<const char*>(data), size}), size};
  }
  Copy copies[4];
  // The last call that went on with other arguments: those, and the program's own.
  struct Changed {
    long number = -1, number_before = -1;
    uint64_t now[6] = {}, before[6] = {};
  };
  Changed changed;
  unsigned next_copy = 0;
  // CPU placement, see placement.hpp.
  uint64_t last_stop = 0;
  uint32_t gap = 2'000'000;  // ns between stops, smoothed; begins calm
  bool pinned = false, own_mask = false;
};

// The memory of one stopped thread.
class TraceeMemory final : public guest::Memory {
 public:
  // Copies for the kernel are put below `stack`, or into [slot, slot + kScratchSlot) when slot is not 0.
  void attach(pid_t tid, uint64_t stack, uint64_t slot);

  long read(uint64_t address, void* out, size_t size) override;
  long write(uint64_t address, const void* data, size_t size) override;
  long read_text(uint64_t address, char* out, size_t capacity) override;
  uint64_t place_for(size_t size) override;

 private:
  long transfer(bool writing, uint64_t address, void* data, size_t size);
  long transfer_by_file(bool writing, uint64_t address, void* data, size_t size);

  pid_t tid_ = 0;
  uint64_t next_ = 0, stack_ = 0;
  bool downwards_ = true;
};

}  // namespace udocker::ptrace
