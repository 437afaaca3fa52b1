// AF_UNIX names.
#include "wrap.hpp"

namespace udocker::preload {

namespace {

constexpr uint16_t kUnix = 1;

bool names_file(long address, long size) {
  if (!active() || !address || size < 3) return false;
  return *pointer<const uint16_t*>(address) == kUnix && pointer<const char*>(address)[2] != '\0';
}

}  // namespace

EXPORT long bind(long fd, long address, long size) {
  if (!names_file(address, size)) return NEXT("bind")(fd, address, size, 0, 0, 0);
  return c_result(emulate(__NR_bind, fd, address, size));
}
EXPORT long connect(long fd, long address, long size) {
  if (!names_file(address, size)) return NEXT("connect")(fd, address, size, 0, 0, 0);
  return c_result(emulate(__NR_connect, fd, address, size));
}
EXPORT long sendto(long fd, long data, long count, long flags, long address, long size) {
  if (!names_file(address, size)) return NEXT("sendto")(fd, data, count, flags, address, size);
  return c_result(emulate(__NR_sendto, fd, data, count, flags, address, size));
}
EXPORT long sendmsg(long fd, long message, long flags) {
  struct Head {
    long address;
    uint32_t size;
  };
  const auto* head = pointer<const Head*>(message);
  if (!head || !names_file(head->address, head->size)) return NEXT("sendmsg")(fd, message, flags, 0, 0, 0);
  return c_result(emulate(__NR_sendmsg, fd, message, flags));
}

#define NAME_BACK(name)                                                                      \
  EXPORT long name(long fd, long address, long size) {                                       \
    return active() ? c_result(emulate(__NR_##name, fd, address, size)) : NEXT(#name)(fd, address, size, 0, 0, 0); \
  }
NAME_BACK(getsockname)
NAME_BACK(getpeername)

// The call itself may block and is a cancellation point, so it is the libc's; a name that came back is mapped after it.
#define ACCEPT(name)                                                                  \
  EXPORT long name(long fd, long address, long size, long flags) {                           \
    const long result = as_int(NEXT(#name)(fd, address, size, flags, 0, 0));                         \
    if (result >= 0 && address && size && *pointer<const uint32_t*>(size) > 2 && names_file(address, 3)) { \
      const uint32_t room = *pointer<const uint32_t*>(size);                                 \
      char* text = pointer<char*>(address) + 2;                                              \
      if (room <= 110 && narrow(text, room - 2))                                             \
        *pointer<uint32_t*>(size) = static_cast<uint32_t>(text_size(text) + 3);              \
    }                                                                                        \
    return result;                                                                           \
  }
ACCEPT(accept)
ACCEPT(accept4)

}  // namespace udocker::preload
