#include "embedded/trap/runtime/fast.hpp"

#include "embedded/trap/runtime/process.hpp"

#include <linux/fcntl.h>
#include <linux/openat2.h>

namespace udocker::trap {
namespace {

constexpr uint32_t kPath = 010000000, kTemporary = 020000000;

bool lacks_open2 = false;

struct Opening {
  int directory;
  uint64_t path;
  uint32_t flags;
  uint64_t mode;
};

Opening read_opening(const Trap& trap) {
#ifdef __NR_open
  if (trap.number == __NR_open)
    return {AT_FDCWD, trap.arg[0], static_cast<uint32_t>(trap.arg[1]), trap.arg[2]};
#endif
  return {static_cast<int>(trap.arg[0]), trap.arg[1], static_cast<uint32_t>(trap.arg[2]), trap.arg[3]};
}

enum class Shape { name, relative, absolute, special };

// A relative path may go to the kernel as it is when it cannot meet a mount, leave by `..` or mean /proc's own names.
Shape shape_of(const guest::View& view, guest::Text path) {
  if (path[0] == '/') return path[path.size - 1] == '/' ? Shape::special : Shape::absolute;
  bool several = false;
  for (size_t at = 0; at < path.size;) {
    size_t end = at;
    while (end < path.size && path[end] != '/') ++end;
    guest::Text name(path.data + at, end - at);
    if (name.empty() || name == "." || name == ".." || name == "self" || name == "thread-self") return Shape::special;
    if (name[0] >= '0' && name[0] <= '9' && end < path.size) return Shape::special;
    if (guest::mount_is_called(view, name)) return Shape::special;
    several |= end < path.size;
    if (end + 1 == path.size) return Shape::special;
    at = end + 1;
  }
  return several ? Shape::relative : Shape::name;
}

// The kernel's answer says that a link stands there, or that emulated rights may help.
bool must_walk(long result, uint32_t flags, bool fake) {
  return result == -ELOOP || result == -EINVAL || (result == -ENOTDIR && (flags & O_DIRECTORY)) || (fake && result == -EACCES);
}

}  // namespace

bool lists_descriptors(guest::Text path) {
  auto ends_with = [&](guest::Text name) { return path.size >= name.size && path.from(path.size - name.size) == name; };
  while (ends_with("/") || ends_with("/.")) --path.size;
  return path == "fd" || path == "fdinfo" || ends_with("/fd") || ends_with("/fdinfo");
}

bool open_at_once(Slot* slot, long& result) {
  const Trap& trap = *slot->trap;
  guest::Task& task = slot->task;
  const guest::View& view = *task.place.view;
  Opening open = read_opening(trap);
  bool fake = view.has(guest::kFakeIds), creates = (open.flags & O_CREAT) != 0;
  long size = slot->memory.read_text(open.path, task.input.buffer(), guest::kPathMax);
  if (size <= 0) return false;
  task.input.set_size(static_cast<size_t>(size));
  guest::Text path = task.input.text();
  if (lists_descriptors(path)) return false;
  if (open.flags & (kPath | kTemporary | O_NOFOLLOW)) return false;
  if (creates && (fake || (open.flags & O_EXCL))) return false;
  if (view.has(guest::kHasReadOnly) && (creates || (open.flags & (O_ACCMODE | O_TRUNC)))) return false;
  long flags = static_cast<long>(open.flags | O_NOFOLLOW);
  switch (shape_of(view, path)) {
    case Shape::special:
      return false;
    case Shape::name:
      result = trap_final_call(__NR_openat, open.directory, address(path.data), flags, static_cast<long>(open.mode), 0, 0);
      break;
    case Shape::relative: {
      if (lacks_open2) return false;
      auto& how = *reinterpret_cast<open_how*>(task.small);
      how.flags = open.flags;
      how.mode = creates ? open.mode & 07777 : 0;
      how.resolve = RESOLVE_NO_SYMLINKS;
      result = trap_final_call(__NR_openat2, open.directory, address(path.data), address(&how), sizeof how, 0, 0);
      if (result == -ENOSYS) {
        lacks_open2 = true;
        return false;
      }
      break;
    }
    case Shape::absolute: {
      guest::Resolved& found = task.first;
      long walked = guest::resolve(task.place, task.work, AT_FDCWD, path, guest::Follow::no, found);
      if (walked < 0 || found.magic != guest::Magic::none || !found.mount || (found.mount->flags & guest::kMountProc)) return false;
      guest::HostName host = guest::name_of(task.place, found);
      result = trap_final_call(__NR_openat, host.directory, address(host.path), flags, static_cast<long>(open.mode), 0, 0);
      break;
    }
  }
  if (must_walk(result, open.flags, fake)) return false;
  slot->done = 1;
  return true;
}

}  // namespace udocker::trap
