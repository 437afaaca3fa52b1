// AF_UNIX names.
#include "wrap.hpp"

namespace udocker::preload {

namespace {

constexpr uint16_t kUnix = 1;

bool names_file(long address, long size) {
  if (!active() || !address || size < 3) return false;
  return *pointer<const uint16_t*>(address) == kUnix && pointer<const char*>(address)[2] != '\0';
}

struct Address {
  uint16_t family;
  char path[108];
};

// Host paths that are too long for an address are bound by way of /proc/PID/fd; their guest names are remembered.
struct Bound {
  char kernel[64];
  const char* guest;
};
Bound bound[64];
uint32_t bound_count;

void remember_bound(long fd, const char* guest, size_t guest_size) {
  Address real{};
  uint32_t size = sizeof real;
  if (sys::call(__NR_getsockname, fd, word(&real), word(&size)) < 0) return;
  const Text name = text_of(real.path);
  if (!name.starts_with("/proc/") || name.size >= sizeof bound[0].kernel) return;
  Bound& slot = bound[__atomic_fetch_add(&bound_count, 1, __ATOMIC_RELAXED) % 64];
  slot.guest = nullptr;
  copy(slot.kernel, name.data, name.size + 1);
  __atomic_store_n(&slot.guest, keep_text({guest, guest_size}), __ATOMIC_RELEASE);
}

// Turns the address that the kernel gave into the guest's; the size written is the new one.
void show_name(long address, long size, uint32_t room) {
  if (!address || !size || !active()) return;
  auto* out = pointer<Address*>(address);
  auto* given = pointer<uint32_t*>(size);
  if (*given <= 3 || room <= 3 || out->family != kUnix || out->path[0] != '/') return;
  char text[128];
  size_t length = 0;
  const size_t limit = (*given < room ? *given : room) - 2;
  while (length < limit && length < 108 && out->path[length]) ++length;
  copy(text, out->path, length);
  text[length] = '\0';
  const char* shown = nullptr;
  for (const Bound& slot : bound)
    if (slot.guest && same(slot.kernel, text)) shown = slot.guest;
  if (!shown && narrow(text, sizeof text)) shown = text;
  if (!shown) return;
  const size_t whole = text_size(shown) + 1;
  copy(out->path, shown, whole < room - 2 ? whole : room - 2);
  *given = static_cast<uint32_t>(whole + 2);
}

// A last component that does not fit beside the directory's descriptor either is given to the socket afterwards.
long bind_and_rename(long fd, Text path) {
  if (path.size >= sizeof Address::path) return -EINVAL;
  char text[sizeof Address::path];
  copy(text, path.data, path.size);
  text[path.size] = '\0';
  Mapped m;
  long result = map_path(sys::kAtCwd, text, Follow::no, Guess::no, m);
  if (result < 0) return result;
  if (m.path != m.host) return -ENAMETOOLONG;
  char* last = m.host + text_size(m.host);
  while (last[-1] != '/') --last;
  last[-1] = '\0';
  const long directory = sys::open(m.host[0] ? m.host : "/", kPathOnly | kDirectory | kCloseOnExec);
  if (directory < 0) return directory;
  static uint32_t counter;
  guest::HostPath name;
  name.assign("/proc/self/fd/");
  name.append_number(static_cast<uint64_t>(directory));
  name.append("/");
  const size_t before = name.size();
  name.append(".socket.");
  name.append_number(static_cast<uint64_t>(sys::call(__NR_getpid)));
  name.append(".");
  name.append_number(__atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED));
  Address short_one{kUnix, {}};
  copy(short_one.path, name.c_str(), name.size() + 1);
  const char* made = name.c_str() + before;
  constexpr long kNoReplace = 1;
  sys::Stat there;
  const bool taken = sys::fstatat(static_cast<int>(directory), last, &there, sys::kNoFollow) == 0;
  result = taken ? -EADDRINUSE : sys::call(__NR_bind, fd, word(&short_one), static_cast<long>(name.size() + 3));
  if (result == 0) {
    result = sys::call(__NR_renameat2, directory, word(made), directory, word(last), kNoReplace);
    if (result < 0) sys::call(__NR_unlinkat, directory, word(made), 0);
    if (result == -EEXIST) result = -EADDRINUSE;
  }
  sys::close(static_cast<int>(directory));
  return result;
}

}  // namespace

EXPORT long bind(long fd, long address, long size) {
  if (!names_file(address, size)) return NEXT("bind")(fd, address, size, 0, 0, 0);
  long result = emulate(__NR_bind, fd, address, size);
  if (result < 0 && result != -ENAMETOOLONG) return fail(result);
  const char* path = pointer<const char*>(address) + 2;
  size_t length = 0;
  while (length < static_cast<size_t>(size) - 2 && path[length]) ++length;
  if (result < 0) result = bind_and_rename(fd, {path, length});
  if (result == 0) remember_bound(fd, path, length);
  return c_result(result);
}
EXPORT long connect(long fd, long address, long size) {
  if (!names_file(address, size)) return NEXT("connect")(fd, address, size, 0, 0, 0);
  return c_result(emulate_waiting(__NR_connect, fd, address, size));
}
EXPORT long __connect(long fd, long address, long size) { return connect(fd, address, size); }
EXPORT long sendto(long fd, long data, long count, long flags, long address, long size) {
  if (!names_file(address, size)) return NEXT("sendto")(fd, data, count, flags, address, size);
  return c_result(emulate_waiting(__NR_sendto, fd, data, count, flags, address, size));
}
EXPORT long sendmsg(long fd, long message, long flags) {
  struct Head {
    long address;
    uint32_t size;
  };
  const auto* head = pointer<const Head*>(message);
  if (!head || !names_file(head->address, head->size)) return NEXT("sendmsg")(fd, message, flags, 0, 0, 0);
  return c_result(emulate_waiting(__NR_sendmsg, fd, message, flags));
}

// The calls themselves are the libc's, since accept may block and is a cancellation point.
#define NAME_BACK(name)                                                                  \
  EXPORT long name(long fd, long address, long size, long flags) {                       \
    const uint32_t room = address && size ? *pointer<const uint32_t*>(size) : 0;         \
    const long result = as_int(NEXT(#name)(fd, address, size, flags, 0, 0));             \
    if (result >= 0) show_name(address, size, room);                                     \
    return result;                                                                       \
  }
NAME_BACK(getsockname)
NAME_BACK(getpeername)
NAME_BACK(accept)
NAME_BACK(accept4)

}  // namespace udocker::preload
