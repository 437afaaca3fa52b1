// The object's first steps in a process: takes its configuration out of the environment, and makes argv, names and
// /proc show the program as the guest started it.
#include "state.hpp"

extern "C" {
extern char** environ __attribute__((weak));
}

namespace udocker::preload {

namespace {

alignas(16) char view_memory[guest::kViewCapacity];
int started;
SharedMemory* shared_memory;

constexpr long kMapShared = 1, kProtection = 3;
constexpr int kSetName = 15, kSetMm = 35, kMmMap = 14;

// The rest of `entry` behind `name`; null when it is another variable.
const char* value_of(const char* entry, const char* name) {
  while (*name && *entry == *name) ++entry, ++name;
  return *name ? nullptr : entry;
}

// The environment before anything changes it: the libc's, or where that is not set yet, a copy the kernel gives.
const char* find_early(const char* name) {
  static char buffer[131072];
  static long size;
  if (!size) {
    const long fd = sys::open("/proc/self/environ", kReadOnly | kCloseOnExec);
    if (fd < 0) return nullptr;
    long done = 0;
    while (done < static_cast<long>(sizeof buffer) - 1) {
      const long got = sys::call(__NR_read, fd, word(buffer + done), static_cast<long>(sizeof buffer) - 1 - done);
      if (got <= 0) break;
      done += got;
    }
    sys::close(static_cast<int>(fd));
    size = done;
  }
  for (long at = 0; at < size; at += static_cast<long>(text_size(buffer + at)) + 1)
    if (const char* value = value_of(buffer + at, name)) return value;
  return nullptr;
}

const char* find_variable(const char* name) {
  if (!&environ || !environ) return find_early(name);
  for (char** at = environ; *at; ++at)
    if (const char* value = value_of(*at, name)) return value;
  return nullptr;
}

void map_cache() {
  if (state.header.cache_fd < 0) return;
  guest::HostPath path;
  path.assign("/proc/");
  path.append_number(static_cast<uint64_t>(state.header.main_pid));
  path.append("/fd/");
  path.append_number(static_cast<uint64_t>(state.header.cache_fd));
  const long fd = sys::open(path.c_str(), 2 | kCloseOnExec);
  if (fd < 0) return;
  sys::Stat stat;
  if (sys::fstatat(static_cast<int>(fd), "", &stat, sys::kEmptyPath) == 0 && stat.ino == state.header.cache_inode &&
      stat.size >= static_cast<int64_t>(sizeof(SharedMemory))) {
    const long at = sys::call(__NR_mmap, 0, sizeof(SharedMemory), kProtection, kMapShared, fd, 0);
    if (at > 0 || at < -4095) {
      shared_memory = pointer<SharedMemory*>(at);
      state.shared = &shared_memory->cache;
      int64_t now[2];
      if (sys::call(__NR_clock_gettime, 6, word(now)) == 0)
        __atomic_store_n(&state.shared->now, static_cast<uint32_t>(now[0] * 1000 + now[1] / 1000000) | 1, __ATOMIC_RELAXED);
    }
  }
  sys::close(static_cast<int>(fd));
}

// The inherited descriptor of ROOT, or a new one where the program before us has closed it.
int find_root(Text root) {
  if (state.header.root_fd < 0) return -1;
  const auto is_root = [](int fd) {
    sys::Stat stat;
    return sys::fstatat(fd, "", &stat, sys::kEmptyPath) == 0 && stat.dev == state.header.root_device && stat.ino == state.header.root_inode;
  };
  if (is_root(state.header.root_fd)) return state.header.root_fd;
  const long low = sys::open(root.data, kPathOnly | kDirectory | kCloseOnExec);
  if (low < 0) return -1;
  const int high = static_cast<int>(sys::call(__NR_fcntl, low, 0 /* F_DUPFD */, state.header.root_fd));
  sys::close(static_cast<int>(low));
  return high >= 0 && is_root(high) ? high : -1;
}

// The descriptor of the cache belongs to the first process; others got it by inheritance and do not need it.
void close_cache() {
  if (state.header.cache_fd < 0 || sys::call(__NR_getpid) == state.header.main_pid) return;
  sys::Stat stat;
  if (sys::fstatat(state.header.cache_fd, "", &stat, sys::kEmptyPath) == 0 && stat.ino == state.header.cache_inode)
    sys::close(state.header.cache_fd);
}

// Our variables go; those of the guest that we had to set aside come back.
void clean_environment() {
  char** to = environ;
  for (char** at = environ; *at; ++at) {
    char* entry = *at;
    if (value_of(entry, UDOCKER_PL_HIDDEN)) {
      *to++ = entry + sizeof(UDOCKER_PL_HIDDEN) - 1;
    } else if (!value_of(entry, "UDOCKER_PL_") && !value_of(entry, "LD_PRELOAD=") &&
               !value_of(entry, "LD_LIBRARY_PATH=") && !value_of(entry, "LD_LIBRARY_REAL=")) {
      *to++ = entry;
    }
  }
  *to = nullptr;
}

// argv lies before the environment on the first stack: argc, argc pointers, null, environment.
char** find_argv() {
  char** end = environ - 1;
  if (*end) return nullptr;
  for (long count = 0; count < 1 << 20; ++count)
    if (word(end[-1 - count]) == count) return end - count;
  return nullptr;
}

void set_pointer(const char* name, const char* value) {
  if (auto* place = static_cast<const char**>(find_next(name))) *place = value;
}

// Lets /proc/PID/cmdline begin at `place`. Only the whole layout can be set without privilege; it is read back first.
void set_cmdline(const char* place) {
  struct {
    uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start, arg_end, env_start, env_end;
    uint64_t auxv;
    uint32_t auxv_size, exe_fd;
  } map{};
  char text[1024];
  const long fd = sys::open("/proc/self/stat", kReadOnly | kCloseOnExec);
  if (fd < 0) return;
  const long size = sys::call(__NR_read, fd, word(text), sizeof text - 1);
  sys::close(static_cast<int>(fd));
  if (size <= 0) return;
  text[size] = '\0';
  long at = size;
  while (at > 0 && text[at - 1] != ')') --at;  // the name before it may hold anything
  uint64_t values[60] = {};
  int field = 3;
  for (++at; at < size && field < 53; ++field) {
    uint64_t value = 0;
    for (; at < size && text[at] != ' '; ++at)
      if (text[at] >= '0' && text[at] <= '9') value = value * 10 + static_cast<uint64_t>(text[at] - '0');
    values[field] = value;
    ++at;
  }
  map.start_code = values[26];
  map.end_code = values[27];
  map.start_stack = values[28];
  map.start_data = values[45];
  map.end_data = values[46];
  map.start_brk = values[47];
  map.brk = static_cast<uint64_t>(sys::call(__NR_brk, 0));
  map.arg_start = static_cast<uint64_t>(word(place));
  map.arg_end = values[49];
  map.env_start = values[50];
  map.env_end = values[51];
  map.exe_fd = ~0u;
  if (map.start_code && map.arg_end > map.arg_start) sys::call(__NR_prctl, kSetMm, kMmMap, word(&map), sizeof map, 0);
}

// The loader was started in the program's place: put things right that show it.
void set_names(const char* argv0) {
  char** argv = find_argv();
  if (!argv || !argv[0]) return;
  char* shown = argv[0];
  char* next = argv[1] ? argv[1] : nullptr;
  const size_t size = text_size(argv0) + 1;
  if (text_size(shown) + 1 >= size && (!next || next == shown + text_size(shown) + 1)) {
    // Behind it lies the next argument, so that /proc/PID/cmdline can begin here.
    char* place = shown + text_size(shown) + 1 - size;
    copy(place, argv0, size);
    argv[0] = place;
    set_cmdline(place);
  } else {
    argv[0] = const_cast<char*>(argv0);
  }
  const char* base = argv[0];
  for (const char* at = argv[0]; *at; ++at)
    if (*at == '/') base = at + 1;
  set_pointer("program_invocation_name", argv[0]);
  set_pointer("program_invocation_short_name", base);
  set_pointer("__progname", base);
  set_pointer("__progname_full", argv[0]);
}

__attribute__((constructor)) void construct() {
  set_up();
  if (!state.view || !&environ || !environ) return;
  close_cache();
  const char* argv0 = find_variable(UDOCKER_PL_ARGV0);
  if (argv0 && state.has(kThroughLoader)) set_names(keep_text(text_of(argv0)));
  if (const char* name = find_variable(UDOCKER_PL_NAME)) sys::call(__NR_prctl, kSetName, word(name));
  clean_environment();
}

}  // namespace

void set_up() {
  if (__atomic_exchange_n(&started, 1, __ATOMIC_ACQ_REL)) return;
  const char* config = find_variable(UDOCKER_PL_CONFIG);
  auto* view = reinterpret_cast<guest::View*>(view_memory);
  if (!config || !decode(config, state.header, *view, sizeof view_memory)) return;
  const auto copied = [](const char* value) { return value ? keep_text(text_of(value)) : ""; };
  state.config = config;
  if (const char* ours = find_variable("LD_PRELOAD=")) {
    size_t size = 0;
    while (ours[size] && ours[size] != ':' && ours[size] != ' ') ++size;
    state.preload = keep_text({ours, size});
  } else {
    state.preload = "";
  }
  const char* libraries = copied(find_variable("LD_LIBRARY_REAL="));
  if (!*libraries) libraries = copied(find_variable("LD_LIBRARY_PATH="));
  size_t skip = 0;
  if (const char* number = find_variable(UDOCKER_PL_SKIP))
    for (; *number >= '0' && *number <= '9'; ++number) skip = skip * 10 + static_cast<size_t>(*number - '0');
  state.library_path = skip <= text_size(libraries) ? libraries + skip : libraries;
  state.udocker = copied(find_variable(UDOCKER_PL_UDOCKER));
  if (const char* program = find_variable(UDOCKER_PL_PROGRAM)) {
    const Text text = text_of(program);
    if (text.size < sizeof state.program) copy(state.program, text.data, text.size + 1);
  }
  state.program_of = program_of;
  state.first_pid = static_cast<int>(sys::call(__NR_getpid));
  state.root_fd = find_root(view->root());
  for (size_t i = 1; i < view->mount_count; ++i)
    if (guest::contains_path(view->root(), view->host_of(view->mounts[i]))) state.mounts_inside = true;
  map_cache();
  __atomic_store_n(&state.view, view, __ATOMIC_RELEASE);
  if (shared_memory) hook_call_sites(shared_memory->tables);
}

bool program_of(void*, int pid, guest::GuestPath& out) {
  if (pid == sys::call(__NR_getpid)) {
    if (!state.program[0]) return false;
    out.assign(text_of(state.program));
    return true;
  }
  if (!state.has(kThroughLoader)) return false;
  // The first environment of another process of ours tells.
  guest::HostPath path;
  path.assign("/proc/");
  path.append_number(static_cast<uint64_t>(pid));
  path.append("/environ");
  const long fd = sys::open(path.c_str(), kReadOnly | kCloseOnExec);
  if (fd < 0) return false;
  constexpr const char* kName = UDOCKER_PL_PROGRAM;
  // A window over the text; the variable is among the last, and never longer than a path.
  char window[512];
  size_t matched = 0;
  bool in_value = false, at_start = true;
  out.clear();
  for (;;) {
    const long got = sys::call(__NR_read, fd, word(window), sizeof window);
    if (got <= 0) break;
    for (long i = 0; i < got; ++i) {
      const char c = window[i];
      if (in_value) {
        if (!c) {
          sys::close(static_cast<int>(fd));
          return !out.empty() && !out.overflow();
        }
        out.append(Text(&c, 1));
      } else if (at_start && c == kName[matched]) {
        if (!kName[++matched]) in_value = true;
      } else {
        matched = 0;
        at_start = c == '\0';
      }
    }
  }
  sys::close(static_cast<int>(fd));
  return false;
}

}  // namespace udocker::preload
