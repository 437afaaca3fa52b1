// Users and groups from the guest's own files: the libc reads them without passing through a function we could wrap.
#include "wrap.hpp"

namespace udocker::preload {

namespace {

struct Passwd {
  char *name, *password;
  uint32_t uid, gid;
  char *gecos, *home, *shell;
};
struct Group {
  char *name, *password;
  uint32_t gid;
  char** members;
};

// The lines of a file of the guest, read piece by piece.
class Lines {
 public:
  bool is_open() const { return fd_ >= 0; }
  void open(const char* path) {
    close();
    fd_ = emulate(__NR_openat, sys::kAtCwd, word(path), kReadOnly | kCloseOnExec, 0);
    at_ = end_ = 0;
  }
  void close() {
    if (fd_ >= 0) sys::close(static_cast<int>(fd_));
    fd_ = -1;
  }
  // 1: a line; 0: the end; -ERANGE: it does not fit.
  long next(char* out, size_t capacity, size_t& size) {
    size = 0;
    for (;;) {
      if (at_ == end_) {
        end_ = fd_ < 0 ? 0 : sys::call(__NR_read, fd_, word(buffer_), sizeof buffer_);
        at_ = 0;
        if (end_ <= 0) {
          end_ = 0;
          if (!size) return 0;
          break;
        }
      }
      const char c = buffer_[at_++];
      if (c == '\n') break;
      if (size + 1 >= capacity) return -ERANGE;
      out[size++] = c;
    }
    out[size] = '\0';
    return 1;
  }

 private:
  long fd_ = -1, at_ = 0, end_ = 0;
  char buffer_[1024] = {};
};

// Cuts the next field off a line.
char* field(char*& at, char separator = ':') {
  if (!at) return nullptr;
  char* start = at;
  while (*at && *at != separator) ++at;
  if (*at) *at++ = '\0';
  else at = nullptr;
  return start;
}

bool number(const char* text, uint32_t& out) {
  if (!text || !*text) return false;
  uint64_t value = 0;
  for (; *text >= '0' && *text <= '9'; ++text) value = value * 10 + static_cast<uint64_t>(*text - '0');
  out = static_cast<uint32_t>(value);
  return !*text;
}

bool parse(char* line, size_t, Passwd& out, size_t) {
  out.name = field(line);
  out.password = field(line);
  if (!out.name || !*out.name || out.name[0] == '#' || !out.password) return false;
  if (!number(field(line), out.uid) || !number(field(line), out.gid)) return false;
  static char empty[1];
  const auto rest = [&] {
    char* f = field(line);
    return f ? f : empty;
  };
  out.gecos = rest();
  out.home = rest();
  out.shell = rest();
  return true;
}

// The member list needs pointers behind the line: false with `name` set means that there is no room.
bool parse(char* line, size_t size, Group& out, size_t capacity) {
  char* start = line;
  size_t words = 2;
  for (char* at = line; *at; ++at) words += *at == ',';
  const size_t begin = (reinterpret_cast<uintptr_t>(start + size + 1) + 7) / 8 * 8 - reinterpret_cast<uintptr_t>(start);
  out.name = field(line);
  out.password = field(line);
  if (!out.name || !*out.name || out.name[0] == '#' || !out.password || !number(field(line), out.gid)) {
    out.name = nullptr;
    return false;
  }
  if (begin + words * sizeof(char*) > capacity) return false;
  out.members = reinterpret_cast<char**>(start + begin);
  size_t count = 0;
  char* list = line ? field(line) : nullptr;
  while (list && *list) out.members[count++] = field(list, ',');
  out.members[count] = nullptr;
  return true;
}

template <class Entry>
constexpr const char* file_of() {
  return sizeof(Entry) == sizeof(Passwd) ? "/etc/passwd" : "/etc/group";
}

// Reads on until `wanted` likes an entry. 0 found, ENOENT at the end, ERANGE.
template <class Entry, class Wanted>
int find_entry(Lines& lines, Entry& out, char* buffer, size_t capacity, Wanted wanted) {
  for (;;) {
    size_t size;
    const long got = lines.next(buffer, capacity, size);
    if (got == 0) return ENOENT;
    if (got < 0) return ERANGE;
    out.name = nullptr;
    if (parse(buffer, size, out, capacity)) {
      if (wanted(out)) return 0;
    } else if (sizeof(Entry) == sizeof(Group) && out.name) {
      return ERANGE;
    }
  }
}

template <class Entry, class Wanted>
int look_up(Entry& out, char* buffer, size_t capacity, Wanted wanted) {
  Lines lines;
  lines.open(file_of<Entry>());
  const int status = find_entry(lines, out, buffer, capacity, wanted);
  lines.close();
  return status;
}

// The functions without _r keep their answer in static memory, which may grow.
template <class Entry>
struct Kept {
  static Entry entry;
  static char* buffer;
  static size_t size;
};
template <class Entry>
Entry Kept<Entry>::entry;
template <class Entry>
char* Kept<Entry>::buffer;
template <class Entry>
size_t Kept<Entry>::size;

template <class Entry, class Find>
long kept(Find find) {
  using K = Kept<Entry>;
  for (;;) {
    if (!K::buffer) {
      if (!K::size) K::size = 8192;
      K::buffer = pointer<char*>(sys::call(__NR_mmap, 0, static_cast<long>(K::size), 3, 0x22, -1, 0));
    }
    const int status = find(K::entry, K::buffer, K::size);
    if (status == 0) return word(&K::entry);
    if (status != ERANGE || K::size > 1u << 26) {
      if (status != ENOENT) set_errno(status);
      return 0;
    }
    sys::call(__NR_munmap, word(K::buffer), static_cast<long>(K::size));
    K::buffer = nullptr;
    K::size *= 4;
  }
}

template <class Entry>
int give(int status, Entry* entry, Entry** result) {
  *result = status == 0 ? entry : nullptr;
  return status == ENOENT ? 0 : status;
}

constinit Lines passwd_lines, group_lines;

}  // namespace

#define LOOK_UP(name, Entry, Key, condition)                                                            \
  EXPORT long name(Key key) {                                                                           \
    if (!active()) return NEXT(#name)((long)key, 0, 0, 0, 0, 0);                                        \
    return kept<Entry>([&](Entry& out, char* buffer, size_t size) {                                     \
      return look_up(out, buffer, size, [&](const Entry& e) { return condition; });                     \
    });                                                                                                 \
  }                                                                                                     \
  EXPORT long name##_r(Key key, Entry* entry, char* buffer, size_t size, Entry** result) {              \
    if (!active())                                                                                      \
      return NEXT(#name "_r")((long)key, word(entry), word(buffer), static_cast<long>(size), word(result), 0); \
    return give(look_up(*entry, buffer, size, [&](const Entry& e) { return condition; }), entry, result); \
  }
LOOK_UP(getpwnam, Passwd, const char*, same(e.name, key))
LOOK_UP(getpwuid, Passwd, uint32_t, e.uid == key)
LOOK_UP(getgrnam, Group, const char*, same(e.name, key))
LOOK_UP(getgrgid, Group, uint32_t, e.gid == key)

#define ENTRIES(get, set, end, Entry, lines)                                                         \
  EXPORT void set() { lines.open(file_of<Entry>()); }                                                \
  EXPORT void end() { lines.close(); }                                                               \
  EXPORT long get() {                                                                                \
    if (!lines.is_open()) lines.open(file_of<Entry>());                                              \
    return kept<Entry>([&](Entry& out, char* buffer, size_t size) {                                  \
      return find_entry(lines, out, buffer, size, [](const Entry&) { return true; });                \
    });                                                                                              \
  }                                                                                                  \
  EXPORT long get##_r(Entry* entry, char* buffer, size_t size, Entry** result) {                     \
    if (!lines.is_open()) lines.open(file_of<Entry>());                                              \
    const int status = find_entry(lines, *entry, buffer, size, [](const Entry&) { return true; });   \
    *result = status == 0 ? entry : nullptr;                                                         \
    return status;                                                                                   \
  }
ENTRIES(getpwent, setpwent, endpwent, Passwd, passwd_lines)
ENTRIES(getgrent, setgrent, endgrent, Group, group_lines)

EXPORT long getgrouplist(const char* user, uint32_t gid, uint32_t* groups, int* count) {
  if (!active()) return NEXT("getgrouplist")(word(user), gid, word(groups), word(count), 0, 0);
  const int room = *count;
  int found = 0;
  const auto add = [&](uint32_t id) {
    for (int i = 0; i < found && i < room; ++i)
      if (groups[i] == id) return;
    if (found < room) groups[found] = id;
    ++found;
  };
  add(gid);
  Lines lines;
  lines.open("/etc/group");
  char buffer[16384];
  Group group;
  while (find_entry(lines, group, buffer, sizeof buffer, [](const Group&) { return true; }) == 0)
    for (char** member = group.members; *member; ++member)
      if (same(*member, user)) add(group.gid);
  lines.close();
  *count = found;
  return found <= room ? found : -1;
}

EXPORT long initgroups(const char* user, uint32_t gid) {
  uint32_t groups[256];
  int count = 256;
  if (getgrouplist(user, gid, groups, &count) < 0) count = 256;
  return c_result(sys::call(__NR_setgroups, count, word(groups)));
}

EXPORT long getlogin() {
  Passwd* entry = pointer<Passwd*>(getpwuid(static_cast<uint32_t>(sys::call(__NR_getuid))));
  return entry ? word(entry->name) : 0;
}
EXPORT long getlogin_r(char* out, size_t size) {
  const char* name = pointer<const char*>(getlogin());
  if (!name) return ENXIO;
  const size_t length = text_size(name) + 1;
  if (length > size) return ERANGE;
  copy(out, name, length);
  return 0;
}
EXPORT long cuserid(char* out) {
  static char own[32];
  char* to = out ? out : own;
  if (getlogin_r(to, 9) != 0) to[0] = '\0';
  return word(to);
}

}  // namespace udocker::preload
