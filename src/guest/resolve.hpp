// Guest path to host path: mounts, links, /proc, virtual root. One walk, with a cache of directories before it.
#pragma once
#include "guest/cache.hpp"
#include "guest/path.hpp"
#include "guest/sys.hpp"
#include "guest/view.hpp"

namespace udocker::guest {

// What resolution must know about the process that named the path.
struct Place {
  const View* view = nullptr;
  Shared* shared = nullptr;  // null: no cache
  Text root = "/";           // canonical guest path of its root directory (chroot)
  int pid = 0, tid = 0;      // as seen in the host's /proc; 0: this thread's own (only with `self`), see pid_of
  bool self = false;         // this code runs inside that very process: /proc/self may be used
  bool want_type = false;    // Resolved::type is needed
  bool xattr_at = false;     // the kernel has getxattrat
  int root_fd = -1;          // ROOT, open in the process that runs this code: paths from there are shorter; -1: none
  void* context = nullptr;
  // Guest path of the program that process `pid` runs; false when unknown (the host's answer is then mapped back).
  bool (*program_of)(void* context, int pid, GuestPath& out) = nullptr;
  // Auxiliary vector of process `pid` where the kernel's copy is that of another program (a loader stub); its size, 0:
  // the kernel's serves. Null: always.
  long (*auxv_of)(void* context, int pid, char* out, size_t capacity) = nullptr;
};

// In-process engines may leave numbers 0: they are asked of the kernel where a path needs them.
inline uint64_t pid_of(const Place& place) { return static_cast<uint64_t>(place.pid ? place.pid : sys::call(__NR_getpid)); }
inline uint64_t tid_of(const Place& place) { return static_cast<uint64_t>(place.tid ? place.tid : sys::call(__NR_gettid)); }

enum class Follow : uint8_t { no, yes };

enum class Magic : uint8_t { none, exe, cwd, root, fd, maps, mounts, mountinfo, mountstats, cmdline, status, auxv };

enum class Last : uint8_t { unknown, missing, not_link, link };

struct Resolved {
  HostPath host;     // complete; with the trailing slash the caller wrote
  GuestPath guest;   // canonical; valid when guest_valid
  const Mount* mount = nullptr;
  Magic magic = Magic::none;  // the last component is one of these files of /proc/PID
  int magic_pid = 0;
  Last last = Last::unknown;
  uint32_t type = 0;          // S_IFMT bits of the last component; 0: not looked at (see Place::want_type)
  bool is_mount_point = false;  // the last component is itself the target of a bind
  bool trailing = false;        // the caller wrote a trailing slash
  bool walked_links = false;    // some link was followed on a walk (a cached directory does not tell)
  bool read_only() const { return mount && (mount->flags & kMountReadOnly); }
};

// How the kernel gets to what was found: from ROOT's descriptor where there is one.
struct HostName {
  int directory;
  const char* path;
};
inline HostName name_of(const Place& place, const Resolved& found) {
  size_t root = place.view->root().size, skip = root > 1 ? root + 1 : 1;
  bool short_way = place.root_fd >= 0 && found.mount == &place.view->mounts[0] && found.host.size() > skip;
  return short_way ? HostName{place.root_fd, found.host.c_str() + skip} : HostName{sys::kAtCwd, found.host.c_str()};
}

// Working space of one resolution, 5 pages; give each thread its own.
struct Workspace {
  GuestPath pending;  // what is still to be walked
  GuestPath spare, other, key;
  HostPath link;
};

// Resolves `path` relative to `directory` (descriptor or sys::kAtCwd). 0 or -errno: the errno the kernel would give for
// a failing component before the last one. A missing last component is no error (last == missing or unknown).
long resolve(const Place& place, Workspace& work, int directory, Text path, Follow follow, Resolved& out);

// Canonical guest path of a descriptor or of the working directory; -ENOTDIR, -EBADF, -ENOENT (deleted or outside).
long guest_of_descriptor(const Place& place, Workspace& work, int directory, GuestPath& out);
long host_of_descriptor(const Place& place, int directory, HostPath& out);

// "/proc/self" or "/proc/PID" of that process.
void proc_prefix(const Place& place, HostPath& out);

// The text a link in /proc shows ("/host/path", "/host/path (deleted)", "socket:[1]") in guest terms, in place.
// A path outside the view is left as it is.
void link_text_to_guest(const Place& place, HostPath& text, GuestPath& out);

// With kHostLinks: what of an absolute path lies below ROOT when it is written as a host path; else the path.
Text without_root(const View& view, Text path);

}  // namespace udocker::guest
