// The seccomp program that stops only at the calls of the table that matter for a view.
#pragma once
#include <linux/filter.h>

#include "guest/table.hpp"
#include "guest/view.hpp"

namespace udocker::guest {

inline constexpr size_t kFilterCapacity = 3072;
inline constexpr uint32_t kCompatData = 1;  // SECCOMP_RET_DATA of stops by the 32-bit table

struct FilterSpec {
  const View* view = nullptr;
  uint32_t stop = 0;           // SECCOMP_RET_TRACE or SECCOMP_RET_TRAP, with data
  // SECCOMP_RET_USER_NOTIF: used in place of `stop` for native calls that are answered without being run (answers()),
  // and for opens that make no file; 0: not at all.
  uint32_t notify = 0;
  bool engine_rows = false;    // stop at kOnlyEngine rows too
  // get*id of an emulated root are answered by the program; the engine then puts build_id_filter's on top of it in threads
  // that take other ids. Calls that change ids come by `stop`.
  bool zero_ids = false;
  bool senders = false;        // stop at kOnlyAsked rows too
  bool compat = true;          // x86_64: also stop 32-bit calls by their own table; else they get ENOSYS
  // Calls whose instruction pointer lies in [allow_from, allow_to) pass whatever they are; both 0: no such range.
  // narrow_*: the same for calls by the 32-bit table.
  uint64_t allow_from = 0, allow_to = 0, narrow_from = 0, narrow_to = 0;
  // Further native numbers that stop (an engine's own needs); they win over the table.
  const uint16_t* extra_stops = nullptr;
  size_t extra_count = 0;
  // Native numbers that pass although the table stops them (an engine handles them otherwise).
  const uint16_t* extra_passes = nullptr;
  size_t extra_pass_count = 0;
};

// True if the call can stop under this view and spec; what P2 consults in place of the filter.
bool stops(const FilterSpec& spec, const Row& row);

// True if translate only ever answers this call, lets it pass, or (open, remove) gives one complete host path.
bool answers(const View& view, const Row& row);

// True if the call is one that zero_ids concerns.
bool is_zero_id(const View& view, const Row& row);

// The program for a thread whose ids are not those it began with: get*id trap with kIdData, all else is left to the
// programs before it. Returns its length, or 0.
inline constexpr uint32_t kIdData = 0x7564;
size_t build_id_filter(const View& view, sock_filter* out, size_t capacity);

// The program for a process that receives from named sockets: it stops at kOnlyAsked rows, with `stop` as in FilterSpec.
size_t build_sender_filter(uint32_t stop, sock_filter* out, size_t capacity);

// Writes the program; returns its length, or 0 when it does not fit into `capacity`.
// Order: number first, then instruction pointer, so that calls which always pass stay in the kernel's action bitmap.
size_t build_filter(const FilterSpec& spec, sock_filter* out, size_t capacity);

}  // namespace udocker::guest
