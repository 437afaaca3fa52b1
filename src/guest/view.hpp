// The view: ROOT, binds and options as one flat block without pointers. It can be copied, written to a file and
// mapped at any address by every process of a container; after build_view it never changes.
#pragma once
#include "guest/path.hpp"

namespace udocker::guest {

inline constexpr size_t kMaxMounts = 192;
inline constexpr size_t kMaxPorts = 32;

enum MountFlag : uint16_t {
  kMountReadOnly = 1,    // changes are refused with EROFS
  kMountDirectory = 2,   // the target is a directory
  kMountProc = 4,        // the host side is a procfs
  kMountVirtual = 8,     // an empty stand-in directory above a target that ROOT lacks
  kMountUnlisted = 16,   // ROOT has no entry of this name: listings of the parent need it added
  kMountHasChildren = 32,  // another mount lies below this one's guest path
  kMountNotListed = 64,  // never added to listings: that costs a stop for each piece of any listing
};

struct Mount {
  uint32_t guest, host;  // offsets into View::text
  uint16_t guest_size, host_size;
  uint16_t flags, reserved;
  uint64_t parent_dev, parent_ino;  // kMountUnlisted: the host's directory in which the name is lacking
};

enum ViewFlag : uint32_t {
  kFakeIds = 1,            // ids are emulated: -0 or -i
  kFakeRoot = 2,           // -0: the first process believes to be root
  kLinkToSymlink = 4,      // hard links become symbolic links
  kAnyPort = 8,            // -n: bind to a port that is not mapped takes a free one
  kHasReadOnly = 16,       // some mount is read-only
  kHasUnlisted = 32,       // some mount needs adding to listings
  kFakeRelease = 64,       // uname is changed
  kHideLinks = 256,        // listings lack the hidden files of kLinkToSymlink
  kHostLinks = 128,        // absolute paths and link targets at or below ROOT's host path are host paths (F modes)
};

struct Port {
  uint16_t guest, host;
};

// mounts[0] is ROOT at "/"; the rest is sorted by guest path, longest first.
struct View {
  uint32_t magic, bytes;  // bytes: size of the whole block
  uint32_t flags;
  uint32_t uid, gid;            // ids shown at the start
  uint32_t host_uid, host_gid;  // real ids of the engine's user
  uint16_t mount_count, port_count;
  uint32_t release, release_size;    // kernel release to show; size 0: the host's
  uint32_t hostname, hostname_size;  // node name to show; size 0: the host's
  uint32_t owners, owners_size;      // host path of the side store; size 0: none
  uint32_t emulator, emulator_size;  // host path of qemu; size 0: none
  uint64_t root_dev, root_ino;
  uint64_t mount_names;  // Bloom filter (64 bits) of the last components of the mounts
  Port ports[kMaxPorts];
  Mount mounts[kMaxMounts];
  char text[1];  // NUL-terminated texts

  Text at(uint32_t offset, size_t size) const { return {text + offset, size}; }
  Text guest_of(const Mount& mount) const { return at(mount.guest, mount.guest_size); }
  Text host_of(const Mount& mount) const { return at(mount.host, mount.host_size); }
  Text root() const { return host_of(mounts[0]); }
  bool has(ViewFlag flag) const { return (flags & flag) != 0; }
};

inline constexpr uint32_t kViewMagic = 0x77656976;
inline constexpr size_t kViewCapacity = 128 * 1024;

struct MountSpec {
  Text host, guest;  // both absolute; guest normalised
  uint16_t flags = 0;  // kMountReadOnly, kMountNotListed
};

struct ViewSpec {
  Text root = "/";  // canonical
  const MountSpec* mounts = nullptr;
  size_t mount_count = 0;
  uint32_t flags = 0;  // kFakeIds kFakeRoot kLinkToSymlink kHideLinks kAnyPort
  uint32_t uid = 0, gid = 0;
  Text release, hostname, owners, emulator;
  const Port* ports = nullptr;
  size_t port_count = 0;
  // Existing directory in which stand-ins for directories that ROOT lacks are made; needed only when there are any.
  Text stand_ins;
};

// Fills `block` (capacity bytes, aligned to 8). Canonicalises both sides of the binds (host links by the kernel,
// guest links inside the view), finds types and procfs, makes the stand-ins. A later spec of the same target wins.
// Returns 0 or -errno; *bad is the index of the spec at fault, or the count for ROOT.
long build_view(const ViewSpec& spec, View* block, size_t capacity, size_t* bad);

// The mount whose guest path contains `guest` and is longest.
const Mount& mount_of_guest(const View& view, Text guest);
// The mount whose host path contains `host` and is longest and not hidden by another; null when outside the view.
const Mount* mount_of_host(const View& view, Text host);
// The mount exactly at `guest`; null when there is none.
const Mount* mount_at(const View& view, Text guest);
// True when the last component of some mount is `name`. By the filter alone one name in ten would be taken for one.
bool look_for_mount_called(const View& view, Text name);
inline bool mount_is_called(const View& view, Text name) {
  return ((view.mount_names >> (hash_text(name) & 63)) & 1) && look_for_mount_called(view, name);
}

// `guest` (canonical, absolute) to its host path and back. host_to_guest returns false outside the view.
void guest_to_host(const View& view, Text guest, HostPath& out);
bool host_to_guest(const View& view, Text host, GuestPath& out);

}  // namespace udocker::guest
