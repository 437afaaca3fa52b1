// Mounts of this process's mount namespace: options as text, and the kernel calls with their fallbacks.
#pragma once
#include "util/fd.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::host {

// The options of a mount, sorted by who understands them. MS_ and MOUNT_ATTR_ numbers of the kernel.
struct MountOptions {
  unsigned long flags = 0;    // MS_ flags to set
  unsigned long cleared = 0;  // MS_ flags to take away
  std::vector<unsigned long> propagation;
  std::uint64_t recursive_set = 0, recursive_clear = 0;  // "rro", "rnosuid" …: whole tree, MOUNT_ATTR_ flags
  bool bind = false, recursive = false;
  bool idmap = false, recursive_idmap = false;
  bool copy_up = false;  // "tmpcopyup"
  std::string data;      // what the file system itself understands, joined by commas
};

MountOptions parse_mount_options(const std::vector<std::string>& options);
std::vector<std::string> known_mount_options();

// A path of /proc/self/fd for a descriptor: lets mount(2) take a descriptor on every kernel.
std::string fd_path(int fd);

// Opens a path as seen with `root` as /, following links inside it, never leaving it. Throws SystemError.
// Uses openat2; walks component by component where the kernel has none.
UniqueFd open_in_root(int root, const std::string& path, int flags);
// The same without an exception: the descriptor, or a negative errno.
int try_open_in_root(int root, const std::string& path, int flags);

// mount(2) and umount2(2). Throw SystemError naming the target as the user knows it.
void mount_at(const std::string& source, int target, std::string_view shown, const std::string& type,
              unsigned long flags, const std::string& data);
void set_propagation(int target, std::string_view shown, unsigned long flags);

// Changes the flags of the mount a descriptor stands for and keeps those the kernel has locked (a mount that came
// from a more privileged namespace). Uses mount_setattr, else a bind remount with the flags statfs shows.
void change_flags(int mount, std::string_view shown, unsigned long set, unsigned long clear);
// Whole tree; throws NotSupported on kernels before 5.12.
void change_flags_recursive(int mount, std::string_view shown, std::uint64_t set, std::uint64_t clear);

// A detached copy of the mount at `source` with the id map of a user namespace. Throws NotSupported where the kernel or
// the file system refuses.
UniqueFd open_idmapped(int source, std::string_view shown, int user_namespace, bool recursive);
void attach_tree(int tree, int target, std::string_view shown);

bool is_mount_type(int fd, long magic);
// Names of file systems in /proc/filesystems.
std::vector<std::string> known_filesystems();

struct MountEntry {
  std::string root, target, type, options, source, super_options;
};
// Parses the text of /proc/PID/mountinfo.
std::vector<MountEntry> parse_mountinfo(std::string_view text);

}  // namespace udocker::host
