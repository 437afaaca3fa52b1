// What the program udocker-trap and the runtime inside guest processes agree on.
#pragma once
#include <stdint.h>

namespace udocker::trap {

// The runtime's code lies in [kRuntimeBase, kRuntimeBase + kTextSize); the filter lets calls from there pass.
inline constexpr uint64_t kRuntimeBase = 0x7e9000000000;
inline constexpr uint64_t kTextSize = 0x100000;
inline constexpr uint64_t kSettingsAt = 0x7e9010000000;  // the shared settings are mapped here
inline constexpr uint64_t kSiteTableAt = kRuntimeBase + kTextSize;  // T1: SiteTable, the runtime's first data
inline constexpr uint64_t kStubsAt = 0x60000;            // T1: stubs of patched copies, one region per copy
inline constexpr uint64_t kStubRegion = 0x4000;
inline constexpr uint32_t kMaxRegions = 100;  // ends below programs of other linkers (0x200000)
inline constexpr uint64_t kStubWindow = kStubRegion * kMaxRegions;
inline constexpr uint32_t kPlainFiles = 4096;  // keys of files known to have no site
inline constexpr uint32_t kMagic = 0x50525434;  // changes with this file and start_words.hpp

enum Flags : uint32_t {
  kPatch = 1,          // T1
  kXattrAt = 2,        // the kernel has getxattrat
};

// Head of the shared memory every process of a container maps. Offsets count from its start; texts end with NUL.
struct Settings {
  uint32_t magic;
  uint32_t size;
  uint32_t flags;
  uint32_t filter_at, filter_count;  // sock_filter records
  uint32_t query_filter_at, query_filter_count;  // stacked when a process gives up its emulated root ids
  uint32_t path_at;     // path this memory is opened by
  uint32_t runtime_at;  // path the runtime is executed by
  uint32_t cache_at;    // directory of patched copies; "" without
  uint32_t plain_at;    // uint64_t[kPlainFiles]
  uint32_t view_at;    // guest::View
  uint32_t shared_at;  // guest::Shared
  uint32_t window_at;  // T1: the stubs all processes map at kStubsAt
  uint64_t copy_of_region[kMaxRegions];  // key of the copy whose stubs lie in a region of the window; 0: not yet
  int32_t root_fd;     // ROOT is open under this number in all processes that did not give it up; -1: not
  uint64_t raw_call;   // set by the runtime: its trap_final_call, for the engine inside itself
};

// What stubs read: where to go and where their copy's code is mapped in this process.
struct SiteTable {
  uint64_t entry;
  uint64_t bias[kMaxRegions];
};

// Every process maps this much of the shared memory; what lies behind its end is not touched.
inline constexpr uint64_t kSettingsSpan = 8u << 20;

}  // namespace udocker::trap
