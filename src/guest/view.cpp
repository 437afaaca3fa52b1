#include "guest/view.hpp"

#include <asm/errno.h>

#include "guest/resolve.hpp"
#include "guest/sys.hpp"

namespace udocker::guest {

namespace {

constexpr long kProcMagic = 0x9fa0;

uint64_t name_bit(Text path) {
  size_t start = path.size;
  while (start > 0 && path[start - 1] != '/') --start;
  return uint64_t{1} << (hash_text(path.from(start)) & 63);
}

bool is_proc(const char* host) {
  long buffer[32];
  return sys::call(__NR_statfs, sys::address(host), sys::address(buffer)) == 0 && buffer[0] == kProcMagic;
}

}  // namespace

const Mount& mount_of_guest(const View& view, Text guest) {
  for (size_t i = 1; i < view.mount_count; ++i)
    if (contains_path(view.guest_of(view.mounts[i]), guest)) return view.mounts[i];
  return view.mounts[0];
}

const Mount* mount_at(const View& view, Text guest) {
  for (size_t i = 1; i < view.mount_count; ++i) {
    const Mount& mount = view.mounts[i];
    if (mount.guest_size < guest.size) return nullptr;
    if (view.guest_of(mount) == guest) return &mount;
  }
  return guest == "/" ? &view.mounts[0] : nullptr;
}

bool look_for_mount_called(const View& view, Text name) {
  for (size_t i = 1; i < view.mount_count; ++i) {
    Text path = view.guest_of(view.mounts[i]);
    if (path.size > name.size && path[path.size - name.size - 1] == '/' && path.from(path.size - name.size) == name) return true;
  }
  return false;
}

namespace {

void join_below(const Text& base, Text rest, auto& out) {
  out.assign(base.size == 1 && !rest.empty() ? Text() : base);
  out.append(rest);
}

// What of `path` lies below `base`: "" or "/rest".
Text below(Text base, Text path) { return base.size == 1 ? (path.size == 1 ? Text() : path) : path.from(base.size); }

// True when the guest path base+rest belongs to `mount` and to no mount below it.
bool visible(const View& view, const Mount& mount, Text rest) {
  Text base = view.guest_of(mount);
  for (size_t i = 1; i < view.mount_count; ++i) {
    const Mount& other = view.mounts[i];
    if (&other == &mount) return true;
    Text guest = view.guest_of(other);
    // Longer or equal than base: hides us if it lies at or above base+rest.
    if (guest.size <= base.size) continue;
    if (!contains_path(base, guest)) continue;
    if (contains_path(below(base, guest), rest)) return false;
  }
  return true;
}

}  // namespace

const Mount* mount_of_host(const View& view, Text host) {
  const Mount* best = nullptr;
  for (size_t i = 0; i < view.mount_count; ++i) {
    const Mount& mount = view.mounts[i];
    Text base = view.host_of(mount);
    if (!contains_path(base, host)) continue;
    if (best && best->host_size >= base.size) continue;
    if (visible(view, mount, below(base, host))) best = &mount;
  }
  return best;
}

void guest_to_host(const View& view, Text guest, HostPath& out) {
  const Mount& mount = mount_of_guest(view, guest);
  join_below(view.host_of(mount), below(view.guest_of(mount), guest), out);
}

bool host_to_guest(const View& view, Text host, GuestPath& out) {
  const Mount* mount = mount_of_host(view, host);
  if (!mount) return false;
  join_below(view.guest_of(*mount), below(view.host_of(*mount), host), out);
  return true;
}

namespace {

class Maker {
 public:
  Maker(const ViewSpec& spec, View& view, size_t capacity) : spec_(spec), view_(view), capacity_(capacity) {
    work_place_.view = &view;
  }

  long run(size_t* bad) {
    long result = begin();
    *bad = spec_.mount_count;
    if (result < 0) return result;
    for (size_t i = 0; i < spec_.mount_count; ++i) {
      *bad = i;
      if ((result = bind(spec_.mounts[i])) < 0) return result;
    }
    *bad = spec_.mount_count;
    return complete();
  }

 private:
  uint32_t keep(Text text) {
    if (used_ + text.size + 1 > capacity_ - sizeof(View)) {
      full_ = true;
      return 0;
    }
    auto offset = static_cast<uint32_t>(used_);
    for (size_t i = 0; i < text.size; ++i) view_.text[used_++] = text[i];
    view_.text[used_++] = '\0';
    return offset;
  }

  long begin() {
    view_.magic = kViewMagic;
    view_.flags = spec_.flags;
    view_.uid = spec_.uid;
    view_.gid = spec_.gid;
    view_.host_uid = static_cast<uint32_t>(sys::call(__NR_geteuid));
    view_.host_gid = static_cast<uint32_t>(sys::call(__NR_getegid));
    view_.mount_names = 0;
    view_.mount_count = 0;
    view_.release = keep(spec_.release);
    view_.release_size = static_cast<uint32_t>(spec_.release.size);
    view_.hostname = keep(spec_.hostname);
    view_.hostname_size = static_cast<uint32_t>(spec_.hostname.size);
    view_.owners = keep(spec_.owners);
    view_.owners_size = static_cast<uint32_t>(spec_.owners.size);
    view_.emulator = keep(spec_.emulator);
    view_.emulator_size = static_cast<uint32_t>(spec_.emulator.size);
    if (spec_.release.size || spec_.hostname.size) view_.flags |= kFakeRelease;
    view_.port_count = 0;
    for (size_t i = 0; i < spec_.port_count && i < kMaxPorts; ++i) view_.ports[view_.port_count++] = spec_.ports[i];
    host_.assign(spec_.root);
    long result = canonical_host(host_);
    if (result < 0) return result;
    sys::Stat stat;
    if ((result = sys::lstat(host_.c_str(), &stat)) < 0) return result;
    if ((stat.mode & sys::kTypeMask) != sys::kTypeDir) return -ENOTDIR;
    view_.root_dev = stat.dev;
    view_.root_ino = stat.ino;
    return add(host_.text(), "/", kMountDirectory);
  }

  // Replaces `path` by what the kernel calls it.
  long canonical_host(HostPath& path) {
    constexpr int kPathOnly = 010000000 | 02000000;  // O_PATH | O_CLOEXEC
    long fd = sys::open(path.c_str(), kPathOnly);
    if (fd < 0) return fd;
    HostPath& link = scratch_.host;
    link.assign("/proc/self/fd/");
    link.append_number(static_cast<uint64_t>(fd));
    long size = sys::readlink(link.c_str(), path.buffer(), kPathMax - 1);
    sys::close(static_cast<int>(fd));
    if (size < 0) return size;
    path.set_size(static_cast<size_t>(size));
    return 0;
  }

  long add(Text host, Text guest, uint16_t flags) {
    for (size_t i = 0; i < view_.mount_count; ++i) {
      Mount& mount = view_.mounts[i];
      if (!(view_.guest_of(mount) == guest)) continue;
      mount.host = keep(host);
      mount.host_size = static_cast<uint16_t>(host.size);
      mount.flags = flags;
      return full_ ? -E2BIG : 0;
    }
    if (view_.mount_count == kMaxMounts) return -E2BIG;
    Mount mount{keep(guest), keep(host), static_cast<uint16_t>(guest.size), static_cast<uint16_t>(host.size), flags, 0};
    if (full_) return -E2BIG;
    size_t at = view_.mount_count++;
    while (at > 1 && view_.mounts[at - 1].guest_size < mount.guest_size) {
      view_.mounts[at] = view_.mounts[at - 1];
      --at;
    }
    view_.mounts[at] = mount;
    view_.mount_names |= name_bit(guest);
    return 0;
  }

  long bind(const MountSpec& spec) {
    host_.assign(spec.host);
    long result = canonical_host(host_);
    if (result < 0) return result;
    sys::Stat stat;
    if ((result = sys::lstat(host_.c_str(), &stat)) < 0) return result;
    uint16_t flags = spec.flags & (kMountReadOnly | kMountNotListed);
    if ((stat.mode & sys::kTypeMask) == sys::kTypeDir) flags |= kMountDirectory;
    if ((flags & kMountDirectory) && is_proc(host_.c_str())) flags |= kMountProc;
    if (flags & kMountReadOnly) view_.flags |= kHasReadOnly;
    if ((result = canonical_guest(spec.guest)) < 0) return result;
    return add(host_.text(), guest_.text(), flags);
  }

  // guest_ = `path` with its links resolved in the view as far as it exists.
  long canonical_guest(Text path) {
    Text head = path;
    while (true) {
      long result = resolve(work_place_, work_, sys::kAtCwd, head, Follow::yes, scratch_);
      if (result == 0) break;
      if ((result != -ENOENT && result != -ENOTDIR && result != -EACCES) || head.size <= 1) return result;
      while (head.size > 1 && head[head.size - 1] != '/') --head.size;
      while (head.size > 1 && head[head.size - 1] == '/') --head.size;
    }
    guest_.assign(scratch_.guest.text());
    Text tail = path.from(head.size);
    while (!tail.empty()) {
      while (!tail.empty() && tail[0] == '/') tail = tail.from(1);
      size_t end = 0;
      while (end < tail.size && tail[end] != '/') ++end;
      Text name = tail.first(end);
      tail = tail.from(end);
      if (name == "..") {
        guest_.pop_component();
      } else if (!name.empty() && !(name == ".")) {
        guest_.append_component(name);
      }
    }
    return guest_.overflow() ? -ENAMETOOLONG : 0;
  }

  // The procfs of a view whose binds show the host's root, the entries that parents lack, the sizes.
  long complete() {
    long result;
    for (size_t i = 0, count = view_.mount_count; i < count; ++i) {
      const Mount mount = view_.mounts[i];
      if (!(view_.host_of(mount) == "/")) continue;
      guest_.assign(view_.guest_of(mount));
      guest_.append_component("proc");
      if (mount_at(view_, guest_.text()) || !is_proc("/proc")) continue;
      if ((result = add("/proc", guest_.text(), kMountDirectory | kMountProc)) < 0) return result;
    }
    // Shortest targets first, so that a stand-in made for one serves those below it.
    for (size_t i = view_.mount_count; i-- > 1;) {
      size_t before = view_.mount_count;
      if ((result = place_target(i)) < 0) return result;
      if (view_.mount_count != before) i = view_.mount_count;  // the order has changed
    }
    for (size_t i = 1; i < view_.mount_count; ++i) {
      GuestPath& parent = guest_;
      parent.assign(view_.guest_of(view_.mounts[i]));
      parent.pop_component();
      auto& holder = const_cast<Mount&>(mount_of_guest(view_, parent.text()));
      holder.flags |= kMountHasChildren;
    }
    view_.bytes = static_cast<uint32_t>(sizeof(View) + used_);
    return full_ ? -E2BIG : 0;
  }

  // Makes sure that every directory above the target exists on the host side.
  long place_target(size_t index) {
    GuestPath& target = work_.other;
    target.assign(view_.guest_of(view_.mounts[index]));
    bool directory = view_.mounts[index].flags & kMountDirectory;
    Text full = target.text();
    for (size_t i = 1; i < full.size; ++i) {
      if (full[i] != '/') continue;
      Text ancestor = full.first(i);
      guest_to_host(view_, ancestor, host_);
      sys::Stat stat;
      long result = sys::fstatat(sys::kAtCwd, host_.c_str(), &stat, 0);
      if (result == 0) continue;
      if (in_stand_in()) {
        if ((result = sys::call(__NR_mkdirat, sys::kAtCwd, sys::address(host_.c_str()), 0755)) < 0) return result;
        continue;
      }
      return add_stand_in(ancestor);
    }
    return note_missing(index, full, directory);
  }

  bool in_stand_in() const { return !spec_.stand_ins.empty() && contains_path(spec_.stand_ins, host_.text()); }

  long add_stand_in(Text ancestor) {
    if (spec_.stand_ins.empty()) return -EXDEV;
    host_.assign(spec_.stand_ins);
    host_.append("/");
    host_.append_number(view_.mount_count);
    long result = sys::call(__NR_mkdirat, sys::kAtCwd, sys::address(host_.c_str()), 0755);
    if (result < 0 && result != -EEXIST) return result;
    guest_.assign(ancestor);
    return add(host_.text(), guest_.text(), kMountDirectory | kMountVirtual | kMountReadOnly);
  }

  // Where the target's own name would be: in a stand-in it is made, elsewhere listings must add it.
  long note_missing(size_t index, Text full, bool directory) {
    size_t end = full.size;
    while (end > 1 && full[end - 1] != '/') --end;
    Text name = full.from(end);
    guest_to_host(view_, end > 1 ? full.first(end - 1) : Text("/"), host_);
    bool stand_in = in_stand_in();
    sys::Stat parent{}, stat;
    sys::fstatat(sys::kAtCwd, host_.c_str(), &parent, 0);
    host_.append_component(name);
    if (sys::lstat(host_.c_str(), &stat) == 0) return 0;
    if (!stand_in && (view_.mounts[index].flags & kMountNotListed)) return 0;
    if (!stand_in) {
      view_.mounts[index].flags |= kMountUnlisted;
      view_.mounts[index].parent_dev = parent.dev;
      view_.mounts[index].parent_ino = parent.ino;
      view_.flags |= kHasUnlisted;
      return 0;
    }
    if (directory) return sys::call(__NR_mkdirat, sys::kAtCwd, sys::address(host_.c_str()), 0755);
    long fd = sys::open(host_.c_str(), 0102 | 02000000, 0644);  // O_RDWR | O_CREAT | O_CLOEXEC
    if (fd >= 0) sys::close(static_cast<int>(fd));
    return fd < 0 ? fd : 0;
  }

  const ViewSpec& spec_;
  View& view_;
  size_t capacity_, used_ = 0;
  bool full_ = false;
  Place work_place_;
  Workspace work_;
  Resolved scratch_;
  HostPath host_;
  GuestPath guest_;
};

}  // namespace

long build_view(const ViewSpec& spec, View* block, size_t capacity, size_t* bad) {
  if (capacity < sizeof(View)) return -E2BIG;
  Maker maker(spec, *block, capacity);
  return maker.run(bad);
}

}  // namespace udocker::guest
