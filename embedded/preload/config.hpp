// What the front end tells the object in the guest's processes, through environment variables that the object takes
// out of the environment before main() and puts back at each exec. Used by both sides; no libc, no heap.
#pragma once
#include "guest/view.hpp"

namespace udocker::preload {

#define UDOCKER_PL_CONFIG "UDOCKER_PL_CONFIG="    // Header and view, as hexadecimal text
#define UDOCKER_PL_ARGV0 "UDOCKER_PL_ARGV0="      // argv[0] as the program shall see it
#define UDOCKER_PL_NAME "UDOCKER_PL_NAME="        // name of the process, where the kernel would show another one
#define UDOCKER_PL_PROGRAM "UDOCKER_PL_PROGRAM="  // guest path of the program
#define UDOCKER_PL_SKIP "UDOCKER_PL_SKIP="        // bytes of the library path that are the guest's own
#define UDOCKER_PL_UDOCKER "UDOCKER_PL_UDOCKER="  // host path of udocker, for F4 and for static programs
#define UDOCKER_PL_HIDDEN "UDOCKER_PL:"           // before K=V: the guest's own value of a variable that we need

enum HeaderFlag : uint32_t {
  kThroughLoader = 1,   // every program is started by calling its loader (F1, F2)
  kLoaderReal = 2,      // the loader reads LD_LIBRARY_REAL (F2, F3, F4)
  kPatchAtExec = 4,     // F4
  kAllowStatic = 8,     // static programs run, outside of the view
  kTrapStatic = 16,     // static programs run under the trap engine
  kTurnedLinks = 32,    // absolute links of the tree hold host paths: the kernel may follow them
};

struct Header {
  uint32_t version, flags;
  int32_t main_pid, cache_fd;  // the first process holds the shared cache; -1: there is none
  uint64_t cache_inode;
  int32_t root_fd;                // ROOT, open in all processes; -1: not
  uint32_t unused;
  uint64_t root_device, root_inode;
  uint64_t patch_time;         // F4: files older than this are not looked at
  uint32_t view_head, view_text;  // bytes of the view's fields up to the used mounts, and of its texts
};

inline constexpr uint32_t kVersion = 2;

// Bytes of the view before its texts that are in use.
inline size_t used_head(const guest::View& view) {
  return __builtin_offsetof(guest::View, mounts) + view.mount_count * sizeof(guest::Mount);
}

inline size_t encoded_size(const Header& header) { return 2 * (sizeof(Header) + header.view_head + header.view_text); }

inline char* encode_bytes(char* out, const void* data, size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < size; ++i) {
    *out++ = static_cast<char>('a' + (bytes[i] >> 4));
    *out++ = static_cast<char>('a' + (bytes[i] & 15));
  }
  return out;
}

inline bool decode_bytes(const char*& in, void* data, size_t size) {
  auto* bytes = static_cast<unsigned char*>(data);
  for (size_t i = 0; i < size; ++i, in += 2) {
    if (in[0] < 'a' || in[0] > 'p' || in[1] < 'a' || in[1] > 'p') return false;
    bytes[i] = static_cast<unsigned char>((in[0] - 'a') << 4 | (in[1] - 'a'));
  }
  return true;
}

// `view.bytes` must be the size of the whole block.
inline void fill_sizes(Header& header, const guest::View& view) {
  header.version = kVersion;
  header.view_head = static_cast<uint32_t>(used_head(view));
  header.view_text = view.bytes - static_cast<uint32_t>(__builtin_offsetof(guest::View, text));
}

inline char* encode(char* out, const Header& header, const guest::View& view) {
  out = encode_bytes(out, &header, sizeof header);
  out = encode_bytes(out, &view, header.view_head);
  return encode_bytes(out, view.text, header.view_text);
}

// `view` has `capacity` bytes of zeros.
inline bool decode(const char* in, Header& header, guest::View& view, size_t capacity) {
  if (!decode_bytes(in, &header, sizeof header) || header.version != kVersion) return false;
  if (header.view_head > sizeof view || header.view_text > capacity - sizeof view) return false;
  return decode_bytes(in, &view, header.view_head) && decode_bytes(in, view.text, header.view_text);
}

}  // namespace udocker::preload
