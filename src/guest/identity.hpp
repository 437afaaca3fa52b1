// Ids and capabilities a process believes it has, with the kernel's rules for changing them.
#pragma once
#include "guest/path.hpp"

namespace udocker::guest {

inline constexpr size_t kMaxGroups = 64;

// A plain value: copied at fork and clone, kept over exec (apply_exec).
struct Identity {
  uint32_t ruid, euid, suid, fsuid;
  uint32_t rgid, egid, sgid, fsgid;
  uint64_t permitted, effective, inheritable, ambient, bounding;
  uint32_t keep_caps, securebits;
  uint32_t group_count;
  uint32_t groups[kMaxGroups];
  uint32_t umask_;  // unused by the rules; room for engines

  bool is_root() const { return euid == 0; }
  bool can(int capability) const { return (effective >> capability) & 1; }
};

inline constexpr uint64_t kAllCaps = (uint64_t{1} << 41) - 1;
inline constexpr uint32_t kSameId = 0xffffffffu;

// The identity of the first process: all ids the given ones; all capabilities when uid is 0.
void start_identity(Identity& identity, uint32_t uid, uint32_t gid);

// The set*id family; 0 or -EPERM/-EINVAL, nothing changes on failure. kSameId leaves an id as it is.
long set_uid(Identity& identity, uint32_t uid);
long set_gid(Identity& identity, uint32_t gid);
long set_resuid(Identity& identity, uint32_t real, uint32_t effective, uint32_t saved);
long set_resgid(Identity& identity, uint32_t real, uint32_t effective, uint32_t saved);
long set_reuid(Identity& identity, uint32_t real, uint32_t effective);
long set_regid(Identity& identity, uint32_t real, uint32_t effective);
uint32_t set_fsuid(Identity& identity, uint32_t uid);  // returns the previous one, as the call does
uint32_t set_fsgid(Identity& identity, uint32_t gid);
long set_groups(Identity& identity, const uint32_t* groups, size_t count);

// Effect of a successful exec of a file with these (emulated) mode bits and owners.
void apply_exec(Identity& identity, uint32_t mode, uint32_t owner, uint32_t group);

}  // namespace udocker::guest
