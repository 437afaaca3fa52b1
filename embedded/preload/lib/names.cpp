// Functions that make or return names: working directory, canonical names, temporary files, patterns, tree walks.
#include "wrap.hpp"

namespace udocker::preload {

namespace {

constexpr long kCwd = sys::kAtCwd;

// The guest's working directory; its size with the final zero, or -errno.
long working_directory(char* out, size_t capacity) {
  char text[guest::kPathMax];
  const long size = sys::call(__NR_getcwd, word(text), sizeof text);
  if (size < 0) return size;
  narrow(text, sizeof text);
  const size_t needed = text_size(text) + 1;
  if (needed > capacity) return -ERANGE;
  copy(out, text, needed);
  return static_cast<long>(needed);
}

long get_directory(char* out, size_t size) {
  char text[guest::kPathMax];
  if (out && !size) return set_errno(EINVAL), 0;
  const long needed = working_directory(text, out ? (size < sizeof text ? size : sizeof text) : sizeof text);
  if (needed < 0) return set_errno(static_cast<int>(-needed)), 0;
  if (!out) {
    if (size && size < static_cast<size_t>(needed)) return set_errno(ERANGE), 0;
    out = static_cast<char*>(allocate(size ? size : static_cast<size_t>(needed)));
    if (!out) return set_errno(ENOMEM), 0;
  }
  copy(out, text, static_cast<size_t>(needed));
  return word(out);
}

long canonical(const char* path, char* out) {
  if (!path) return set_errno(EINVAL), 0;
  char text[guest::kPathMax];
  long error = 0;
  {
    Scratch scratch;
    guest::Resolved& found = scratch->first;
    error = guest::resolve(scratch->place, scratch->work, sys::kAtCwd, text_of(path), Follow::yes, found);
    if (error == 0) {
      sys::Stat stat;
      if (found.last == guest::Last::missing) error = -ENOENT;
      else error = sys::fstatat(sys::kAtCwd, found.host.c_str(), &stat, 0);
    }
    if (error == 0) copy(text, found.guest.c_str(), found.guest.size() + 1);
  }
  if (error < 0) return set_errno(static_cast<int>(-error)), 0;
  const size_t size = text_size(text) + 1;
  if (!out) out = static_cast<char*>(allocate(size));
  if (!out) return set_errno(ENOMEM), 0;
  copy(out, text, size);
  return word(out);
}

// mkstemp and relatives: the function works on the host name, the guest's template gets the same letters.
long make_temporary(Function function, char* pattern, long a, long b, size_t suffix, bool returns_name) {
  if (!active()) return function(word(pattern), a, b, 0, 0, 0);
  Mapped m;
  const long error = map_path(sys::kAtCwd, pattern, Follow::no, Guess::no, m);
  if (error < 0) return set_errno(static_cast<int>(-error)), returns_name ? 0 : -1;
  for_libc(m);
  if (m.path == pattern) {
    const long raw = function(word(pattern), a, b, 0, 0, 0);
    return returns_name ? raw : as_int(raw);
  }
  const long raw = function(word(m.host), a, b, 0, 0, 0);
  const long result = returns_name ? raw : as_int(raw);
  const size_t host = text_size(m.host), size = text_size(pattern);
  if (!m.host[0]) {  // mktemp found no name
    pattern[0] = '\0';
  } else if (host >= suffix + 6 && size >= suffix + 6) {
    copy(pattern + size - suffix - 6, m.host + host - suffix - 6, 6);
  }
  return returns_name && result ? word(pattern) : result;
}

long anonymous_file(const char* mode) {
  const long flags = 2 | kExclusive | kTemporary;
  long fd = emulate(__NR_openat, kCwd, word("/tmp"), flags, 0600);
  if (fd < 0) {
    char name[] = "/tmp/tmpfXXXXXX";
    fd = make_temporary(NEXT("mkstemp"), name, 0, 0, 0, false);
    if (fd < 0) return 0;
    emulate(__NR_unlinkat, kCwd, word(name), 0);
  }
  return NEXT("fdopen")(fd, word(mode), 0, 0, 0, 0);
}

}  // namespace

EXPORT long getcwd(char* out, size_t size) {
  if (!active()) return NEXT("getcwd")(word(out), static_cast<long>(size), 0, 0, 0, 0);
  return get_directory(out, size);
}
EXPORT long __getcwd_chk(char* out, size_t size, size_t) { return get_directory(out, size); }
EXPORT long getwd(char* out) { return get_directory(out, guest::kPathMax); }
EXPORT long __getwd_chk(char* out, size_t) { return get_directory(out, guest::kPathMax); }
EXPORT long get_current_dir_name() { return get_directory(nullptr, 0); }

EXPORT long realpath(const char* path, char* out) {
  if (!active()) return NEXT("realpath")(word(path), word(out), 0, 0, 0, 0);
  return canonical(path, out);
}
EXPORT long __realpath_chk(const char* path, char* out, size_t) { return realpath(path, out); }
EXPORT long canonicalize_file_name(const char* path) { return realpath(path, nullptr); }

EXPORT long mkstemp(char* p) { return make_temporary(NEXT("mkstemp"), p, 0, 0, 0, false); }
EXPORT long mkstemp64(char* p) { return make_temporary(NEXT("mkstemp64"), p, 0, 0, 0, false); }
EXPORT long mkostemp(char* p, int flags) { return make_temporary(NEXT("mkostemp"), p, flags, 0, 0, false); }
EXPORT long mkostemp64(char* p, int flags) { return make_temporary(NEXT("mkostemp64"), p, flags, 0, 0, false); }
EXPORT long mkstemps(char* p, int n) { return make_temporary(NEXT("mkstemps"), p, n, 0, static_cast<size_t>(n), false); }
EXPORT long mkstemps64(char* p, int n) { return make_temporary(NEXT("mkstemps64"), p, n, 0, static_cast<size_t>(n), false); }
EXPORT long mkostemps(char* p, int n, int f) { return make_temporary(NEXT("mkostemps"), p, n, f, static_cast<size_t>(n), false); }
EXPORT long mkostemps64(char* p, int n, int f) { return make_temporary(NEXT("mkostemps64"), p, n, f, static_cast<size_t>(n), false); }
EXPORT long mkdtemp(char* p) { return make_temporary(NEXT("mkdtemp"), p, 0, 0, 0, true); }
EXPORT long mktemp(char* p) { return make_temporary(NEXT("mktemp"), p, 0, 0, 0, true); }
EXPORT long __mktemp(char* p) { return make_temporary(NEXT("mktemp"), p, 0, 0, 0, true); }
EXPORT long tmpfile() { return active() ? anonymous_file("w+") : NEXT("tmpfile")(0, 0, 0, 0, 0, 0); }
EXPORT long tmpfile64() { return tmpfile(); }

EXPORT long tempnam(const char* dir, const char* prefix) {
  const char* wanted = dir;
  sys::Stat stat;
  if (!wanted || emulate(__NR_newfstatat, kCwd, word(wanted), word(&stat), 0) < 0) wanted = "/tmp";
  const size_t size = text_size(wanted);
  const size_t more = prefix ? (text_size(prefix) < 5 ? text_size(prefix) : 5) : 0;
  char* name = static_cast<char*>(allocate(size + more + 8));
  if (!name) return 0;
  copy(name, wanted, size);
  name[size] = '/';
  copy(name + size + 1, prefix ? prefix : "", more);
  copy(name + size + 1 + more, "XXXXXX", 7);
  if (mktemp(name) && name[0]) return word(name);
  release(name);
  return 0;
}
EXPORT long tmpnam(char* out) {
  static char own[32];
  char name[] = "/tmp/fileXXXXXX";
  if (!mktemp(name) || !name[0]) return 0;
  copy(out ? out : own, name, sizeof name);
  return word(out ? out : own);
}
EXPORT long tmpnam_r(char* out) { return out ? tmpnam(out) : 0; }

namespace {

bool special(char c) { return c == '*' || c == '?' || c == '[' || c == '\\' || c == '{' || c == '~'; }

// A pattern's directories before the first special character are mapped; names that come back are turned into guest
// names in place, which fits because the host's part is made at least as long.
struct GlobResult {
  size_t count;
  char** paths;
};

long glob_with(Function function, const char* pattern, long flags, long on_error, long result) {
  if (!active() || state.names_pass || !pattern || pattern[0] != '/') return function(word(pattern), flags, on_error, result, 0, 0);
  size_t end = 0, slash = 0;
  for (; pattern[end] && !special(pattern[end]); ++end)
    if (pattern[end] == '/') slash = end;
  const size_t given = slash ? slash : 1;
  char directory[guest::kPathMax];
  if (given >= sizeof directory) return 3;  // no match, in every libc
  copy(directory, pattern, given);
  directory[given] = '\0';
  Mapped m;
  const long error = map_path(sys::kAtCwd, directory, Follow::yes, Guess::no, m);
  char host[3 * guest::kPathMax];
  size_t size = 0, escaped = 0;
  char wide[3 * guest::kPathMax];
  // A directory that is not there: a name that cannot match, so that the libc does what its flags say.
  const char* base = error < 0 ? "/proc/self/no-such-directory" : m.path;
  const auto put = [&](char c) {
    host[size++] = c;
    if (special(c) || c == ']') wide[escaped++] = '\\';
    wide[escaped++] = c;
  };
  for (const char* at = base; *at; ++at) put(*at);
  while (size > 1 && host[size - 1] == '/') --size, --escaped;
  while (size < given) {
    put('/');
    put('.');
  }
  const size_t rest = text_size(pattern + slash) + 1;
  if (escaped + rest > sizeof wide) return 3;
  copy(wide + escaped, pattern + slash, rest);
  auto* out = pointer<GlobResult*>(result);
  const size_t offset = flags & 8 ? *pointer<size_t*>(result + 2 * static_cast<long>(sizeof(long))) : 0;
  const size_t had = flags & 0x20 ? out->count : 0;
  const long status = as_int(function(word(wide), flags, on_error, result, 0, 0));
  if (status != 0 || !out->paths) return status;
  for (size_t i = had; i < out->count; ++i) {
    char* name = out->paths[offset + i];
    // Not changed: GLOB_NOCHECK gave the pattern back.
    const bool ours = Text(name, text_size(name)).starts_with({host, size});
    const bool pattern_back = !ours && Text(name, text_size(name)).starts_with({wide, escaped});
    const size_t drop = ours ? size : (pattern_back ? escaped : 0);
    if (!drop) continue;
    const size_t kept = slash ? slash : 0;
    const size_t tail = text_size(name + drop) + 1;
    for (size_t k = 0; k < tail; ++k) name[kept + k] = name[drop + k];
    copy(name, pattern, kept);
  }
  return status;
}

// ---- nftw. The numbers of the types differ by one between the libcs.

struct WalkPlace {
  int base, level;
};
using Visit = int (*)(const char*, const sys::Stat*, int, WalkPlace*);
using OldVisit = int (*)(const char*, const sys::Stat*, int);
enum { kFile, kDir, kUnreadable, kNoStat, kLink, kDirDone, kDeadLink };
constexpr int kPhysical = 1, kSameDevice = 2, kChangeDir = 4, kDepth = 8, kActions = 16;
constexpr int kSkipSubtree = 2, kSkipSiblings = 3;

struct TreeWalk {
  Visit visit;
  OldVisit old_visit;
  int flags, first_type;
  uint64_t device;
  char path[guest::kPathMax];

  int call(const sys::Stat& stat, int type, WalkPlace& place) const {
    if (old_visit) return old_visit(path, &stat, type + first_type);
    return visit(path, &stat, type + first_type, &place);
  }

  int step(size_t size, WalkPlace place) {
    sys::Stat stat{};
    const bool physical = flags & kPhysical;
    int type = kFile;
    long result = emulate(__NR_newfstatat, kCwd, word(path), word(&stat), physical ? sys::kNoFollow : 0);
    if (result < 0 && !physical && emulate(__NR_newfstatat, kCwd, word(path), word(&stat), sys::kNoFollow) == 0) {
      type = old_visit ? kNoStat : kDeadLink;
    } else if (result < 0) {
      if (place.level == 0 || (result != -EACCES && result != -ENOENT)) return static_cast<int>(fail(result));
      type = kNoStat;
    } else if ((stat.mode & sys::kTypeMask) == sys::kTypeDir) {
      type = kDir;
    } else if ((stat.mode & sys::kTypeMask) == sys::kTypeLink) {
      type = old_visit ? kFile : kLink;
    }
    if (type != kDir) return call(stat, type, place);
    if (place.level == 0) device = stat.dev;
    if ((flags & kSameDevice) && stat.dev != device) return 0;
    const long fd = emulate(__NR_openat, kCwd, word(path), kReadOnly | kDirectory | kCloseOnExec, 0);
    if (fd < 0) return fd == -EACCES ? call(stat, kUnreadable, place) : static_cast<int>(fail(fd));
    int status = 0;
    if (!(flags & kDepth)) status = call(stat, kDir, place);
    if (status == 0) status = entries(static_cast<int>(fd), size, place);
    sys::close(static_cast<int>(fd));
    if ((flags & kActions) && status == kSkipSubtree) status = 0;
    if (status == 0 && (flags & kDepth)) {
      path[size] = '\0';
      status = call(stat, kDirDone, place);
    }
    return status;
  }

  int entries(int fd, size_t size, WalkPlace place) {
    alignas(8) char buffer[2048];
    for (;;) {
      const long got = sys::call(__NR_getdents64, fd, word(buffer), sizeof buffer);
      if (got < 0) return static_cast<int>(fail(got));
      if (got == 0) return 0;
      for (long at = 0; at < got;) {
        const char* name = buffer + at + 19;
        at += *reinterpret_cast<const uint16_t*>(buffer + at + 16);
        if (same(name, ".") || same(name, "..")) continue;
        const size_t length = text_size(name);
        size_t end = size;
        if (end + length + 2 > sizeof path) return static_cast<int>(fail(ENAMETOOLONG));
        if (!end || path[end - 1] != '/') path[end++] = '/';
        copy(path + end, name, length + 1);
        const int status = step(end + length, {static_cast<int>(end), place.level + 1});
        path[size] = '\0';
        if ((flags & kActions) && status == kSkipSubtree) continue;
        if ((flags & kActions) && status == kSkipSiblings) return 0;
        if (status != 0) return status;
      }
    }
  }
};

long walk_tree(const char* path, Visit visit, OldVisit old_visit, int flags) {
  TreeWalk walk{visit, old_visit, flags, find_next("gnu_get_libc_version") ? 0 : 1, 0, {}};
  size_t size = text_size(path);
  if (!size) return fail(ENOENT);
  if (size >= sizeof walk.path) return fail(ENAMETOOLONG);
  copy(walk.path, path, size + 1);
  while (size > 1 && walk.path[size - 1] == '/') walk.path[--size] = '\0';
  size_t base = size;
  while (base > 0 && walk.path[base - 1] != '/') --base;
  return walk.step(size, {static_cast<int>(base), 0});
}

}  // namespace

EXPORT long glob(const char* pattern, long flags, long on_error, long result) {
  return glob_with(NEXT("glob"), pattern, flags, on_error, result);
}
EXPORT long glob64(const char* pattern, long flags, long on_error, long result) {
  return glob_with(NEXT("glob64"), pattern, flags, on_error, result);
}
// FTW_CHDIR needs the real directories: the libc's own walk, on host names, is the honest answer there.
#define WALK(name)                                                                              \
  EXPORT long name(const char* path, long visit, long depth, long flags) {                      \
    if (!active() || (flags & kChangeDir)) {                                                    \
      MAP(word(path), Follow::yes)                                                              \
      return NEXT(#name)(state.names_pass ? word(path) : word(m.path), visit, depth, flags, 0, 0);                              \
    }                                                                                           \
    return walk_tree(path, pointer<Visit>(visit), nullptr, static_cast<int>(flags));            \
  }
WALK(nftw)
WALK(nftw64)
EXPORT long ftw(const char* path, long visit, long) { return walk_tree(path, nullptr, pointer<OldVisit>(visit), 0); }
EXPORT long ftw64(const char* path, long visit, long) { return walk_tree(path, nullptr, pointer<OldVisit>(visit), 0); }

}  // namespace udocker::preload
