// Calls with socket addresses: names of AF_UNIX sockets are paths, and ports may be mapped.
#include "guest/parts.hpp"

namespace udocker::guest {

namespace {

constexpr uint16_t kUnix = 1, kInet = 2, kInet6 = 10;
constexpr size_t kUnixPath = 108, kAddressMax = 128;

struct Address {
  uint32_t size = 0;
  union {
    uint16_t family;
    char bytes[kAddressMax];
  };
  const char* path() const { return bytes + 2; }
  size_t path_room() const { return size > 2 ? size - 2 : 0; }
  Text name() const {
    size_t length = 0, room = path_room() < kUnixPath ? path_room() : kUnixPath;
    while (length < room && path()[length]) ++length;
    return {path(), length};
  }
  uint16_t port() const { return static_cast<uint16_t>((static_cast<unsigned char>(bytes[2]) << 8) | static_cast<unsigned char>(bytes[3])); }
  void set_port(uint16_t port) {
    bytes[2] = static_cast<char>(port >> 8);
    bytes[3] = static_cast<char>(port);
  }
};

enum class Use : uint8_t { bind, reach };
enum class Outcome : uint8_t { same, changed, answered };

// A name that does not fit: a descriptor of ours, reached through /proc. It is the socket's own, or the directory's where
// the socket is to be made.
long shorten(const Step& step, Use use, HostPath& host) {
  HostPath& directory = step.task.work.link;
  Text full = host.text();
  size_t end = full.size;
  while (use == Use::bind && end > 0 && full[end - 1] != '/') --end;
  directory.assign(full.first(end ? end : 1));
  constexpr int kPathOnly = 010000000 | 02000000;
  long fd = sys::open(directory.c_str(), kPathOnly);
  if (fd < 0) return fd;
  step.decision.extra_fd = static_cast<int>(fd);
  directory.assign("/proc/");
  directory.append_number(step.task.engine_pid ? static_cast<uint64_t>(step.task.engine_pid) : pid_of(step.task.place));
  directory.append("/fd/");
  directory.append_number(static_cast<uint64_t>(fd));
  if (use == Use::bind) directory.append("/");
  directory.append(full.from(end));
  host.assign(directory.text());
  return 0;
}

// From ROOT's descriptor where the program has one: the name can still be read when the call is over.
constexpr Text kOwnDescriptors = "/proc/self/fd/";
bool from_root(const Step& step, Resolved& found) {
  const Place& place = step.task.place;
  if (!place.self || place.root_fd < 0 || found.mount != &place.view->mounts[0]) return false;
  HostPath& name = step.task.work.link;
  name.assign(kOwnDescriptors);
  name.append_number(static_cast<uint64_t>(place.root_fd));
  name.append(found.host.text().from(place.view->root().size));
  if (name.size() >= kUnixPath) return false;
  found.host.assign(name.text());
  return true;
}

Outcome map_unix(const Step& step, Address& address, Use use) {
  if (address.name().empty()) return Outcome::same;
  GuestPath& name = step.task.input;
  name.assign(address.name());
  Follow follow = use == Use::bind ? Follow::no : Follow::yes;
  bool owned = use == Use::bind && step.fake();
  if (!owned && plain_name(step, sys::kAtCwd, name, follow)) return Outcome::same;
  Resolved& found = step.task.first;
  if (!map_path(step, sys::kAtCwd, name, follow, found)) return Outcome::answered;
  if (use == Use::bind && found.read_only()) {
    step.answer(-EROFS);
    return Outcome::answered;
  }
  if (owned) plan_created(step, found.host, 0);
  if (found.host.size() >= kUnixPath && !(use == Use::bind && from_root(step, found))) {
    long result = shorten(step, use, found.host);
    if (result == 0 && found.host.size() >= kUnixPath) result = -ENAMETOOLONG;
    if (result < 0) {
      step.answer(result);
      return Outcome::answered;
    }
  }
  __builtin_memcpy(address.bytes + 2, found.host.c_str(), found.host.size() + 1);
  address.size = static_cast<uint32_t>(2 + found.host.size() + 1);
  return Outcome::changed;
}

// A port of the host that is free now; 0 when none is.
uint16_t free_port(uint16_t family) {
  constexpr int kStream = 1 | 02000000;  // SOCK_STREAM | SOCK_CLOEXEC
  long socket = sys::call(__NR_socket, family, kStream, 0);
  if (socket < 0) return 0;
  Address address;
  for (char& byte : address.bytes) byte = 0;
  address.family = family;
  int size = family == kInet ? 16 : 28;
  uint16_t port = 0;
  if (sys::call(__NR_bind, socket, sys::address(address.bytes), size) == 0 &&
      sys::call(__NR_getsockname, socket, sys::address(address.bytes), sys::address(&size)) == 0)
    port = address.port();
  sys::close(static_cast<int>(socket));
  return port;
}

Outcome map_port(const Step& step, Address& address, Use use) {
  const View& view = step.view();
  Shared* shared = step.task.place.shared;
  if (address.size < 4 || address.port() == 0) return Outcome::same;
  for (size_t i = 0; i < view.port_count; ++i) {
    if (view.ports[i].guest != address.port()) continue;
    address.set_port(view.ports[i].host);
    return Outcome::changed;
  }
  if (!view.has(kAnyPort) || !shared) return Outcome::same;
  for (const TakenPort& taken : shared->ports) {
    if (taken.host == 0 || taken.guest != address.port()) continue;
    address.set_port(taken.host);
    return Outcome::changed;
  }
  if (use != Use::bind) return Outcome::same;
  uint16_t host = free_port(address.family);
  if (host == 0) return Outcome::same;
  uint32_t place = __atomic_fetch_add(&shared->next_port, 1, __ATOMIC_RELAXED) % kTakenPorts;
  shared->ports[place] = {address.port(), host};
  address.set_port(host);
  return Outcome::changed;
}

Outcome map_address(const Step& step, Address& address, Use use) {
  if (address.size < 2) return Outcome::same;
  if (address.family == kUnix) return map_unix(step, address, use);
  if (address.family == kInet || address.family == kInet6) return map_port(step, address, use);
  return Outcome::same;
}

// False: the kernel shall judge the address itself.
bool read_address(const Step& step, uint64_t from, uint64_t size, Address& out) {
  if (from == 0 || size < 2 || size > kAddressMax) return false;
  out.size = static_cast<uint32_t>(size);
  return step.task.memory->read(from, out.bytes, size) == 0;
}

Address& small_address(const Step& step) { return *reinterpret_cast<Address*>(step.task.small); }

// The arguments of a call, also those that i386's socketcall packs: the first `count` of them. False: they cannot be read.
bool unpack(Task& task, const Call& call, const Row& row, size_t count, uint64_t (&out)[6]) {
  uint32_t words[6];
  bool packed = row.op == Op::socket_call;
  if (packed && task.memory->read(call.arg[1], words, count * sizeof *words) < 0) return false;
  for (size_t i = 0; i < (packed ? count : 6); ++i) out[i] = packed ? words[i] : call.arg[i];
  return true;
}

// struct ucred of SO_PEERCRED, unix(7): where getsockopt's arguments (`level` first) say it lies.
constexpr uint64_t kSocketLevel = 1;
struct Credentials {
  int32_t pid;
  uint32_t uid, gid;
};

void expect_credentials(const Step& step, uint64_t level, uint64_t option) {
  if (step.fake() && level == kSocketLevel && option == kPeerCredentials) step.decision.post = Post::peer_ids;
}

// The peer's ids as it believes them; those of another view's process, or of one that has ended, as the first one here.
void show_credentials(Task& task, uint64_t pointer, uint64_t length) {
  uint32_t size = 0;
  Credentials peer;
  if (task.memory->read(length, &size, sizeof size) < 0 || size != sizeof peer) return;
  if (task.memory->read(pointer, &peer, sizeof peer) < 0) return;
  const View& view = *task.place.view;
  if (peer.uid != view.host_uid) return;
  Identity identity;
  if (task.identity_of && task.identity_of(task.place.context, peer.pid, identity)) {
    peer.uid = identity.euid;
    peer.gid = identity.egid;
  } else {
    peer.uid = view.uid;
    peer.gid = view.gid;
  }
  task.memory->write(pointer, &peer, sizeof peer);
}

// An address given by two arguments: pointer and length.
void map_arguments(const Step& step, int pointer, int length, Use use) {
  Address& address = small_address(step);
  if (!read_address(step, step.call.arg[pointer], step.call.arg[length] & 0xffffffff, address)) return;
  if (map_address(step, address, use) != Outcome::changed) return;
  step.put(pointer, address.bytes, address.size);
  step.set_argument(length, address.size);
}

// struct msghdr of both word sizes begins with name and name length.
struct Header64 {
  uint64_t name;
  uint32_t name_size, pad;
  uint64_t rest[5];
};
struct Header32 {
  uint32_t name, name_size, rest[5];
};

// The name in the header number `index` at `from`, of msghdr or mmsghdr.
struct Message {
  uint64_t name, length_at;
  uint32_t name_size;
};
bool read_message(Task& task, uint64_t from, uint64_t index, bool many, bool narrow, Message& out) {
  size_t each = narrow ? sizeof(Header32) : sizeof(Header64);
  if (many) each += narrow ? 4 : 8;
  uint64_t at = from + index * each;
  uint32_t words[4];
  if (task.memory->read(at, words, sizeof words) < 0) return false;
  out.name = narrow ? words[0] : words[0] | uint64_t{words[1]} << 32;
  out.name_size = words[narrow ? 1 : 2];
  out.length_at = at + (narrow ? 4 : 8);
  return true;
}

// The message's header is rewritten in the program's own memory: it is the caller's buffer, and the changed name is
// put where the old one was when it fits; a longer one goes behind the header copy.
void map_message(const Step& step) {
  Task& task = step.task;
  bool narrow = step.call.abi == Abi::i386;
  Header64 header;
  Header32 small;
  uint64_t name;
  uint32_t size;
  long result = narrow ? task.memory->read(step.call.arg[1], &small, sizeof small)
                       : task.memory->read(step.call.arg[1], &header, sizeof header);
  if (result < 0) return;
  name = narrow ? small.name : header.name;
  size = narrow ? small.name_size : header.name_size;
  if (name == 0) return;
  Address& address = small_address(step);
  if (!read_address(step, name, size, address)) return;
  if (map_address(step, address, Use::reach) != Outcome::changed) return;
  // The copy of the header travels with the address right behind it; the engine tells us where it will lie.
  char* block = task.text.buffer();
  size_t header_size = narrow ? sizeof small : sizeof header;
  uint64_t place = task.memory->place_for(header_size + address.size);
  if (place == 0) return step.answer(-ENOMEM);
  if (narrow) {
    small.name = static_cast<uint32_t>(place + header_size);
    small.name_size = address.size;
    __builtin_memcpy(block, &small, sizeof small);
  } else {
    header.name = place + header_size;
    header.name_size = address.size;
    __builtin_memcpy(block, &header, sizeof header);
  }
  __builtin_memcpy(block + header_size, address.bytes, address.size);
  result = task.memory->write(place, block, header_size + address.size);
  if (result < 0) return step.answer(result);
  step.set_argument(1, place);
}

// sendmmsg with names is sent one by one by the program's own loop: only the first message is taken.
void map_messages(const Step& step) {
  uint64_t first = 0;
  size_t width = step.call.abi == Abi::i386 ? 4 : 8;
  if (step.call.arg[2] == 0 || step.task.memory->read(step.call.arg[1], &first, width) < 0 || first == 0) return;
  uint64_t copy_from = step.call.arg[1];
  Address& address = small_address(step);
  uint32_t size = 0;
  if (step.task.memory->read(copy_from + width, &size, 4) < 0 || !read_address(step, first, size, address)) return;
  if (map_address(step, address, Use::reach) != Outcome::changed) return;
  if (address.size > size) return step.answer(-ENAMETOOLONG);
  long result = step.task.memory->write(first, address.bytes, address.size);
  if (result < 0) return step.answer(result);
  step.set_argument(2, 1);
}

// recvmsg and recvmmsg: `from` is where the one or `count` headers lie. Names come back when all have the same room.
void expect_senders(const Step& step, uint64_t from, bool many, uint64_t count) {
  bool narrow = step.call.abi == Abi::i386;
  constexpr uint64_t kMostMessages = 1024;
  uint32_t room = 0;
  for (uint64_t i = 0; i < (many ? (count < kMostMessages ? count : kMostMessages) : 1); ++i) {
    Message message;
    if (!read_message(step.task, from, i, many, narrow, message)) return;
    if (message.name == 0 || (i && message.name_size != room)) return;
    room = message.name_size;
  }
  if (room == 0) return;
  step.decision.post = Post::socket_name;
  step.decision.keep[0] = room;
  step.decision.keep[1] = from;
  step.decision.keep[2] = many ? 2 : 1;
}

void map_socketcall(const Step& step) {
  constexpr uint64_t kBind = 2, kConnect = 3, kSendTo = 11, kSendMessage = 16, kSendMessages = 20;
  constexpr uint64_t kGetOption = 15, kAccept = 5, kGetName = 6, kGetPeer = 7, kAccept4 = 18, kReceiveMessage = 17, kReceiveMessages = 19;
  uint64_t which = step.call.arg[0];
  uint32_t words[6] = {};
  size_t count = which == kSendTo ? 6 : which == kGetOption ? 5 : 3;
  if (step.task.memory->read(step.call.arg[1], words, count * 4) < 0) return;
  if (which == kSendMessage || which == kSendMessages) {
    Call inner = step.call;
    inner.arg[1] = words[1];
    inner.arg[2] = words[2];
    Decision decision;
    Step nested{step.task, inner, step.row, decision};
    which == kSendMessage ? map_message(nested) : map_messages(nested);
    if (decision.action == Action::answer) step.answer(decision.answer);
    if (decision.action == Action::rewrite) {
      words[1] = static_cast<uint32_t>(decision.arg[1]);
      step.task.memory->write(step.call.arg[1], words, count * 4);
    }
    return;
  }
  if (which == kReceiveMessage || which == kReceiveMessages) return expect_senders(step, words[1], which == kReceiveMessages, words[2]);
  if (which == kGetOption) return expect_credentials(step, words[1], words[2]);
  if (which == kAccept || which == kGetName || which == kGetPeer || which == kAccept4) {
    uint32_t room = 0;
    if (words[2] && step.task.memory->read(words[2], &room, sizeof room) < 0) return;
    step.decision.post = Post::socket_name;
    step.decision.keep[0] = room;
    step.decision.keep[2] = 0;
    return;
  }
  size_t at = which == kSendTo ? 4 : 1;
  if (which != kBind && which != kConnect && which != kSendTo) return;
  Address& address = small_address(step);
  if (!read_address(step, words[at], words[at + 1], address)) return;
  if (map_address(step, address, which == kBind ? Use::bind : Use::reach) != Outcome::changed) return;
  uint64_t place = step.task.memory->place_for(kAddressMax + 32);
  if (place == 0) return step.answer(-ENOMEM);
  words[at] = static_cast<uint32_t>(place + 32);
  words[at + 1] = address.size;
  long result = step.task.memory->write(place, words, count * 4);
  if (result == 0) result = step.task.memory->write(place + 32, address.bytes, address.size);
  if (result < 0) return step.answer(result);
  step.set_argument(1, place);
}

// The name of a socket in guest terms into task.input, also that of one that was bound by a shortened name.
bool name_to_guest(Task& task, Text name) {
  const View& view = *task.place.view;
  size_t end = kOwnDescriptors.size;
  if (name.starts_with(kOwnDescriptors)) {
    while (end < name.size && name[end] != '/') ++end;
    task.input.assign(name.from(end));
    return true;
  }
  HostPath& prefix = task.work.link;
  prefix.assign("/proc/");
  prefix.append_number(static_cast<uint64_t>(task.engine_pid));
  prefix.append("/fd/");
  end = prefix.size();
  if (name.size <= end || !(name.first(end) == prefix.text())) return host_to_guest(view, name, task.input);
  while (end < name.size && name[end] != '/') ++end;
  prefix.assign(name.first(end));
  long size = sys::readlink(prefix.c_str(), task.text.buffer(), kPathMax - 1);
  if (size <= 0) return false;
  task.text.set_size(static_cast<size_t>(size));
  task.text.append(name.from(end));
  return host_to_guest(view, task.text.text(), task.input);
}

// The address at `pointer`, which the kernel has put into `room` bytes, in guest terms.
void show_address(Task& task, uint64_t pointer, uint64_t length, uint32_t room) {
  uint32_t size = 0;
  auto& address = *reinterpret_cast<Address*>(task.small);
  if (pointer == 0 || task.memory->read(length, &size, sizeof size) < 0 || size < 4) return;
  uint32_t got = size < kAddressMax ? size : kAddressMax;
  if (room && got > room) got = room;
  if (task.memory->read(pointer, address.bytes, got) < 0) return;
  address.size = got;
  const View& view = *task.place.view;
  if (address.family == kInet || address.family == kInet6) {
    for (size_t i = 0; i < view.port_count; ++i) {
      if (view.ports[i].host != address.port()) continue;
      address.set_port(view.ports[i].guest);
      task.memory->write(pointer, address.bytes, got);
      return;
    }
    if (!view.has(kAnyPort) || !task.place.shared) return;
    for (const TakenPort& taken : task.place.shared->ports) {
      if (taken.host == 0 || taken.host != address.port()) continue;
      address.set_port(taken.guest);
      task.memory->write(pointer, address.bytes, got);
      return;
    }
    return;
  }
  if (address.family != kUnix || address.path()[0] != '/') return;
  if (!name_to_guest(task, address.name())) return;
  Text shown = task.input.text();
  auto full = static_cast<uint32_t>(2 + shown.size + 1);
  // The name may be longer than the kernel's when that is a shortened one.
  uint32_t space = room > got ? (room < kAddressMax ? room : kAddressMax) : got;
  uint32_t fits = full < space ? full : space;
  __builtin_memcpy(address.bytes + 2, shown.data, fits > 3 ? fits - 3 : 0);
  address.bytes[fits - 1] = '\0';
  if (task.memory->write(pointer, address.bytes, fits) == 0) task.memory->write(length, &full, sizeof full);
}

}  // namespace

void do_socket(const Step& step) {
  switch (step.row.op) {
    case Op::socket_name:
      return map_arguments(step, 1, 2, step.row.detail == 0 ? Use::bind : Use::reach);
    case Op::send_to:
      if (step.call.arg[4]) map_arguments(step, 4, 5, Use::reach);
      return;
    case Op::send_message:
      return map_message(step);
    case Op::send_messages:
      return map_messages(step);
    case Op::socket_call:
      return map_socketcall(step);
    case Op::get_option:
      return expect_credentials(step, step.call.arg[1], step.call.arg[2]);
    case Op::receive:
      return expect_senders(step, step.call.arg[1], step.row.detail == 1, step.call.arg[2] & 0xffffffff);
    case Op::peer_name: {
      int pointer = step.row.path < 0 ? 1 : step.row.path;
      if (step.call.arg[pointer] == 0) return;
      uint32_t room = 0;
      if (step.task.memory->read(step.call.arg[pointer + 1], &room, sizeof room) < 0) return;
      step.decision.post = Post::socket_name;
      step.decision.keep[0] = room;
      step.decision.keep[2] = 0;
      return;
    }
    default:
      return;
  }
}

Taken take_socket_name(const Step& step, GuestPath& into) {
  uint64_t arg[6];
  if (!unpack(step.task, step.call, step.row, 3, arg)) return Taken::answered;
  Address& address = small_address(step);
  if (!read_address(step, arg[1], arg[2] & 0xffffffff, address)) return Taken::answered;
  into.assign(address.name());
  return Taken::path;
}

long finish_credentials(Task& task, const Call& call, const Decision& decision, long result) {
  if (result < 0) return result;
  uint64_t arg[6];
  if (unpack(task, call, *decision.row, 5, arg)) show_credentials(task, arg[3], arg[4]);
  return result;
}

long finish_socket(Task& task, const Call& call, const Decision& decision, long result) {
  if (result < 0) return result;
  auto room = static_cast<uint32_t>(decision.keep[0]);
  if (decision.keep[2]) {
    bool many = decision.keep[2] == 2;
    Message message;
    for (long i = 0; i < (many ? result : 1); ++i)
      if (read_message(task, decision.keep[1], static_cast<uint64_t>(i), many, call.abi == Abi::i386, message))
        show_address(task, message.name, message.length_at, room);
    return result;
  }
  int first = decision.row->path < 0 ? 1 : decision.row->path;
  uint64_t arg[6];
  if (unpack(task, call, *decision.row, 3, arg)) show_address(task, arg[first], arg[first + 1], room);
  return result;
}

}  // namespace udocker::guest
