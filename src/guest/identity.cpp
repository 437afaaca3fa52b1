#include "guest/identity.hpp"

#include <asm/errno.h>
#include <initializer_list>

namespace udocker::guest {

namespace {

constexpr int kCapSetGid = 6, kCapSetUid = 7;
constexpr uint64_t kFileCaps = 0x1f | (1u << 9) | (1u << 27);  // lost and regained with fsuid
constexpr uint32_t kNoFixup = 1 << 2;                          // SECBIT_NO_SETUID_FIXUP

// capabilities(7): what happens to the sets when user ids change.
void after_uid_change(Identity& id, uint32_t old_real, uint32_t old_effective, uint32_t old_saved) {
  if (id.securebits & kNoFixup) return;
  bool had_root = old_real == 0 || old_effective == 0 || old_saved == 0;
  bool has_root = id.ruid == 0 || id.euid == 0 || id.suid == 0;
  if (had_root && !has_root) {
    if (!id.keep_caps) id.permitted = 0;
    id.effective = 0;
    id.ambient = 0;
  }
  if (old_effective == 0 && id.euid != 0) id.effective = 0;
  if (old_effective != 0 && id.euid == 0) id.effective = id.permitted;
}

bool any_of(uint32_t value, uint32_t a, uint32_t b, uint32_t c) { return value == a || value == b || value == c; }

}  // namespace

void start_identity(Identity& id, uint32_t uid, uint32_t gid) {
  __builtin_memset(&id, 0, sizeof id);  // identities are compared as a whole
  id.ruid = id.euid = id.suid = id.fsuid = uid;
  id.rgid = id.egid = id.sgid = id.fsgid = gid;
  id.permitted = id.effective = uid == 0 ? kAllCaps : 0;
  id.bounding = kAllCaps;
  id.group_count = 1;
  id.groups[0] = gid;
}

long set_resuid(Identity& id, uint32_t real, uint32_t effective, uint32_t saved) {
  if (!id.can(kCapSetUid)) {
    for (uint32_t wanted : {real, effective, saved})
      if (wanted != kSameId && !any_of(wanted, id.ruid, id.euid, id.suid)) return -EPERM;
  }
  uint32_t old_real = id.ruid, old_effective = id.euid, old_saved = id.suid;
  if (real != kSameId) id.ruid = real;
  if (effective != kSameId) id.euid = effective;
  if (saved != kSameId) id.suid = saved;
  id.fsuid = id.euid;
  after_uid_change(id, old_real, old_effective, old_saved);
  return 0;
}

long set_resgid(Identity& id, uint32_t real, uint32_t effective, uint32_t saved) {
  if (!id.can(kCapSetGid)) {
    for (uint32_t wanted : {real, effective, saved})
      if (wanted != kSameId && !any_of(wanted, id.rgid, id.egid, id.sgid)) return -EPERM;
  }
  if (real != kSameId) id.rgid = real;
  if (effective != kSameId) id.egid = effective;
  if (saved != kSameId) id.sgid = saved;
  id.fsgid = id.egid;
  return 0;
}

long set_uid(Identity& id, uint32_t uid) {
  if (uid == kSameId) return -EINVAL;
  if (id.can(kCapSetUid)) return set_resuid(id, uid, uid, uid);
  if (uid != id.ruid && uid != id.suid) return -EPERM;
  return set_resuid(id, kSameId, uid, kSameId);
}

long set_gid(Identity& id, uint32_t gid) {
  if (gid == kSameId) return -EINVAL;
  if (id.can(kCapSetGid)) return set_resgid(id, gid, gid, gid);
  if (gid != id.rgid && gid != id.sgid) return -EPERM;
  return set_resgid(id, kSameId, gid, kSameId);
}

long set_reuid(Identity& id, uint32_t real, uint32_t effective) {
  if (!id.can(kCapSetUid)) {
    if (real != kSameId && real != id.ruid && real != id.euid) return -EPERM;
    if (effective != kSameId && !any_of(effective, id.ruid, id.euid, id.suid)) return -EPERM;
  }
  uint32_t new_effective = effective == kSameId ? id.euid : effective;
  bool save = real != kSameId || (effective != kSameId && effective != id.ruid);
  uint32_t old_real = id.ruid, old_effective = id.euid, old_saved = id.suid;
  if (real != kSameId) id.ruid = real;
  id.euid = id.fsuid = new_effective;
  if (save) id.suid = new_effective;
  after_uid_change(id, old_real, old_effective, old_saved);
  return 0;
}

long set_regid(Identity& id, uint32_t real, uint32_t effective) {
  if (!id.can(kCapSetGid)) {
    if (real != kSameId && real != id.rgid && real != id.egid) return -EPERM;
    if (effective != kSameId && !any_of(effective, id.rgid, id.egid, id.sgid)) return -EPERM;
  }
  bool save = real != kSameId || (effective != kSameId && effective != id.rgid);
  if (real != kSameId) id.rgid = real;
  if (effective != kSameId) id.egid = effective;
  id.fsgid = id.egid;
  if (save) id.sgid = id.egid;
  return 0;
}

uint32_t set_fsuid(Identity& id, uint32_t uid) {
  uint32_t old = id.fsuid;
  if (uid == kSameId) return old;
  if (!id.can(kCapSetUid) && uid != id.fsuid && !any_of(uid, id.ruid, id.euid, id.suid)) return old;
  id.fsuid = uid;
  if (old == 0 && uid != 0) id.effective &= ~kFileCaps;
  if (old != 0 && uid == 0) id.effective |= id.permitted & kFileCaps;
  return old;
}

uint32_t set_fsgid(Identity& id, uint32_t gid) {
  uint32_t old = id.fsgid;
  if (gid == kSameId) return old;
  if (!id.can(kCapSetGid) && gid != id.fsgid && !any_of(gid, id.rgid, id.egid, id.sgid)) return old;
  id.fsgid = gid;
  return old;
}

long set_groups(Identity& id, const uint32_t* groups, size_t count) {
  if (!id.can(kCapSetGid)) return -EPERM;
  if (count > kMaxGroups) return -EINVAL;
  for (size_t i = 0; i < count; ++i) id.groups[i] = groups[i];
  id.group_count = static_cast<uint32_t>(count);
  return 0;
}

void apply_exec(Identity& id, uint32_t mode, uint32_t owner, uint32_t group) {
  constexpr uint32_t kSetUid = 04000, kSetGid = 02000, kGroupRun = 010;
  uint32_t effective_before = id.euid;
  if (mode & kSetUid) id.euid = owner;
  if ((mode & kSetGid) && (mode & kGroupRun)) id.egid = group;
  id.suid = id.fsuid = id.euid;
  id.sgid = id.fsgid = id.egid;
  id.keep_caps = 0;
  if (id.ruid == 0 || id.euid == 0) {
    id.permitted = id.bounding | id.inheritable;
    id.effective = id.euid == 0 ? id.permitted : 0;
    return;
  }
  bool changed = effective_before != id.euid;
  if (changed) id.ambient = 0;
  id.permitted = id.effective = id.ambient;
}

}  // namespace udocker::guest
