// Guest path to host path: a small cache of followed names in front of guest::resolve.
#include "state.hpp"

namespace udocker::preload {

namespace {

constexpr int kSlots = 24;
alignas(64) char slot_memory[kSlots][sizeof(guest::Task) + 64];
uint32_t slots_taken;

// An absolute path as written to the host path it leads to with all links followed: directories, and links. Writers
// take an entry by making its sequence odd; readers that see it change take it for a miss.
struct Entry {
  uint32_t sequence, generation;
  uint64_t hash;
  uint16_t key_size, value_size;
  uint8_t read_only;
  char text[235];
};
constexpr size_t kEntries = 256;
Entry entries[kEntries];

uint64_t hash_of(const char* text, size_t size) {
  uint64_t h = size * 0x9e3779b97f4a7c15u;
  while (size >= 8) {
    uint64_t part;
    __builtin_memcpy(&part, text, 8);
    h = (h ^ part) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
    text += 8;
    size -= 8;
  }
  uint64_t rest = 0;
  for (size_t i = 0; i < size; ++i) rest = rest << 8 | static_cast<unsigned char>(text[i]);
  h = (h ^ rest) * 0xff51afd7ed558ccdu;
  return h ^ h >> 29;
}

bool equal(const char* a, const char* b, size_t size) {
  for (; size >= 8; a += 8, b += 8, size -= 8) {
    uint64_t x, y;
    __builtin_memcpy(&x, a, 8);
    __builtin_memcpy(&y, b, 8);
    if (x != y) return false;
  }
  for (size_t i = 0; i < size; ++i)
    if (a[i] != b[i]) return false;
  return true;
}

void copy_words(char* to, const char* from, size_t size) {
  for (; size >= 8; to += 8, from += 8, size -= 8) __builtin_memcpy(to, from, 8);
  for (size_t i = 0; i < size; ++i) to[i] = from[i];
}

// Changes that nobody told us of (from outside of the container) count after two seconds.
constexpr uint32_t kLookAtClock = 64;
uint32_t calls, era, era_began;

void look_at_clock() {
  int64_t now[2] = {0, 0};
  sys::call(__NR_clock_gettime, 6, word(now));  // the coarse one
  const auto milliseconds = static_cast<uint32_t>(now[0] * 1000 + now[1] / 1000000) | 1;
  __atomic_store_n(&state.shared->now, milliseconds, __ATOMIC_RELAXED);
  if (milliseconds - era_began < guest::kCacheLife) return;
  era_began = milliseconds;
  __atomic_fetch_add(&era, 0x10000, __ATOMIC_RELAXED);
}

uint32_t generation() {
  if (__builtin_expect(++calls % kLookAtClock == 0, 0)) look_at_clock();
  return __atomic_load_n(&state.shared->generation, __ATOMIC_ACQUIRE) + era;
}

// The guest's working directory, while nothing of this process changes it.
struct Current {
  uint32_t sequence, generation;
  uint16_t size;
  char path[240];
};
Current current;
int current_disabled;

size_t find_current(char* out) {
  const uint32_t sequence = __atomic_load_n(&current.sequence, __ATOMIC_ACQUIRE);
  if (sequence & 1 || !current.size || current.generation != generation()) return 0;
  const size_t size = current.size;
  if (size > sizeof current.path) return 0;
  copy_words(out, current.path, size);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return __atomic_load_n(&current.sequence, __ATOMIC_RELAXED) == sequence ? size : 0;
}

void keep_current(Text guest, uint32_t at) {
  if (current_disabled || guest.size > sizeof current.path) return;
  uint32_t sequence = __atomic_load_n(&current.sequence, __ATOMIC_RELAXED);
  if (sequence & 1 || !__atomic_compare_exchange_n(&current.sequence, &sequence, sequence + 1, false, __ATOMIC_ACQUIRE,
                                                   __ATOMIC_RELAXED))
    return;
  current.generation = at;
  current.size = static_cast<uint16_t>(guest.size);
  copy(current.path, guest.data, guest.size);
  __atomic_store_n(&current.sequence, sequence + 2, __ATOMIC_RELEASE);
}

// Writes the host path of `directory` to out; its size, 0 for a miss.
size_t find_entry(Text directory, uint64_t hash, char* out, bool& read_only) {
  Entry& e = entries[hash % kEntries];
  const uint32_t sequence = __atomic_load_n(&e.sequence, __ATOMIC_ACQUIRE);
  if (sequence & 1 || e.hash != hash || e.key_size != directory.size || e.generation != generation()) return 0;
  const size_t size = e.value_size;
  if (size + directory.size > sizeof e.text || !equal(e.text, directory.data, directory.size)) return 0;
  copy_words(out, e.text + directory.size, size);
  read_only = e.read_only;
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return __atomic_load_n(&e.sequence, __ATOMIC_RELAXED) == sequence ? size : 0;
}

void keep_entry(Text directory, uint64_t hash, Text host, bool read_only, uint32_t at) {
  Entry& e = entries[hash % kEntries];
  if (directory.size + host.size > sizeof e.text) return;
  uint32_t sequence = __atomic_load_n(&e.sequence, __ATOMIC_RELAXED);
  if (sequence & 1 || !__atomic_compare_exchange_n(&e.sequence, &sequence, sequence + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return;
  __atomic_thread_fence(__ATOMIC_RELEASE);
  e.hash = hash;
  e.generation = at;
  e.key_size = static_cast<uint16_t>(directory.size);
  e.value_size = static_cast<uint16_t>(host.size);
  e.read_only = read_only;
  copy(e.text, directory.data, directory.size);
  copy(e.text + directory.size, host.data, host.size);
  __atomic_store_n(&e.sequence, sequence + 2, __ATOMIC_RELEASE);
}

// The directory part ("/" for a name in the root) and the last component of an absolute path that has neither a
// trailing slash nor "." or ".." at its end.
bool split(Text path, size_t slash, Text& directory, Text& last) {
  last = path.from(slash);
  if (last.empty() || (last[0] == '.' && (last.size == 1 || (last.size == 2 && last[1] == '.')))) return false;
  directory = path.first(slash > 1 ? slash - 1 : 1);
  return true;
}

// A single name in a directory that the program holds: nothing stands between it and the kernel but a link.
bool plain_name(Text path) { return path.size <= 255 && !(path == "..") && !name_is_special(path); }

bool worth_keeping(const guest::Resolved& found) {
  return !found.is_mount_point && found.magic == guest::Magic::none && !(found.mount->flags & guest::kMountProc);
}

// `directory` and `last`: the parts of an absolute path worth keeping; empty when it is not.
long slow(int dir, Text path, Follow follow, Mapped& out, Text directory, Text last) {
  Scratch scratch;
  guest::Task& task = scratch.task();
  guest::Resolved& found = task.first;
  const bool cacheable = state.shared && !last.empty();
  const uint32_t at = state.shared ? generation() : 0;
  long result = guest::resolve(task.place, task.work, dir, path, Follow::no, found);
  if (result < 0) return result;
  if (cacheable && worth_keeping(found) && found.host.size() > last.size + 1 &&
      guest::find_directory(state.shared, task.place.root, directory, task.input))
    keep_entry(directory, hash_of(directory.data, directory.size), found.host.text().first(found.host.size() - last.size - 1),
               found.read_only(), at);
  if (follow == Follow::yes) {
    const bool steady = cacheable && worth_keeping(found) && guest::find_directory(state.shared, task.place.root, directory, task.input);
    result = guest::resolve(task.place, task.work, dir, path, Follow::yes, found);
    if (result < 0) return result;
    // A link is one of the names that changes are watched for. Plain files are not.
    if (steady && found.walked_links && found.last == guest::Last::not_link && worth_keeping(found) && !found.trailing)
      keep_entry(path, hash_of(path.data, path.size), found.host.text(), found.read_only(), at);
  }
  copy(out.host, found.host.c_str(), found.host.size() + 1);
  out.dir = sys::kAtCwd;
  out.path = out.host;
  out.exact = true;
  out.read_only = found.read_only();
  out.magic = found.magic;
  return 0;
}

// -EINVAL: the name is not that of a link.
long read_some_link(int dir, const char* path) {
  char byte[1];
  return sys::call(__NR_readlinkat, dir, word(path), word(byte), sizeof byte);
}

// What is cached for an absolute path. False: nothing.
bool quick(Text text, size_t slash, Follow follow, Guess guess, Mapped& out) {
  Text directory, last;
  if (!split(text, slash, directory, last)) return false;
  out.dir = sys::kAtCwd;
  // A link that was followed before.
  const size_t whole = follow == Follow::yes ? find_entry(text, hash_of(text.data, text.size), out.host, out.read_only) : 0;
  if (whole) {
    out.host[whole] = '\0';
    out.exact = true;
  } else {
    const size_t size = find_entry(directory, hash_of(directory.data, directory.size), out.host, out.read_only);
    if (!size || size + last.size + 2 >= sizeof out.host || guest::mount_is_called(*state.view, last)) return false;
    out.host[size] = '/';
    copy_words(out.host + size + 1, last.data, last.size);
    out.host[size + 1 + last.size] = '\0';
    out.exact = follow == Follow::no;
    if (!out.exact && guess == Guess::no) {
      out.path = out.host;
      by_root(out);
      const long link = read_some_link(out.dir, out.path);
      if (link != -EINVAL && link != -ENOENT) return false;
      out.exact = true;
    }
  }
  out.dir = sys::kAtCwd;
  out.path = out.host;
  return true;
}

// Several names below the working directory, made absolute with what is known of it.
bool quick_relative(Text text, Follow follow, Guess guess, Mapped& out) {
  char whole[guest::kPathMax];
  size_t size = find_current(whole);
  if (!size) {
    Scratch scratch;
    const uint32_t at = generation();
    guest::GuestPath& here = scratch->input;
    if (guest::guest_of_descriptor(scratch->place, scratch->work, sys::kAtCwd, here) < 0) return false;
    for (size_t i = 1; i <= here.size(); ++i)
      if (i == here.size() || here.c_str()[i] == '/') guest::depend_on(state.shared, here.text().first(i));
    keep_current(here.text(), at);
    size = here.size();
    if (size > 240) return false;
    copy(whole, here.c_str(), size);
  }
  if (size + text.size + 2 > sizeof whole) return false;
  if (size > 1) whole[size++] = '/';
  copy_words(whole + size, text.data, text.size);
  const size_t total = size + text.size;
  whole[total] = '\0';
  size_t slash = total;
  while (whole[slash - 1] != '/') --slash;
  const Text absolute(whole, total);
  if (quick(absolute, slash, follow, guess, out)) return true;
  Text directory, last;
  if (!split(absolute, slash, directory, last)) return false;
  return slow(sys::kAtCwd, absolute, follow, out, directory, last) == 0;
}

using Caller = long (*)(long, long, long, long, long, long, long);

long emulate_by(Caller caller, long number, const long (&given)[6]) {
  if (!active()) return caller(number, given[0], given[1], given[2], given[3], given[4], given[5]);
  guest::Call call{guest::kNativeAbi, number, {}};
  for (int i = 0; i < 6; ++i) call.arg[i] = static_cast<uint64_t>(given[i]);
  Scratch scratch;
  guest::Decision decision;
  guest::translate(scratch.task(), call, decision);
  if (decision.action == guest::Action::answer) return decision.answer;
  if (decision.action != guest::Action::rewrite) {
    const long result = caller(number, given[0], given[1], given[2], given[3], given[4], given[5]);
    return decision.post == guest::Post::none ? result : guest::finish(scratch.task(), call, decision, result);
  }
  long arg[6];
  for (int i = 0; i < 6; ++i) arg[i] = static_cast<long>(decision.arg[i]);
  for (int i = 0; i < decision.blob_count; ++i) arg[decision.blobs[i].arg] = word(decision.blobs[i].data);
  long result = caller(decision.number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
  if (decision.extra_fd >= 0) sys::close(decision.extra_fd);
  if (decision.post != guest::Post::none) result = guest::finish(scratch.task(), call, decision, result);
  return result;
}

}  // namespace

constinit State state{};

void by_root(Mapped& m) {
  const int fd = __atomic_load_n(&state.root_fd, __ATOMIC_RELAXED);
  if (fd < 0 || m.path != m.host || !state.view || m.magic != guest::Magic::none) return;
  const Text root = state.view->root();
  if (!equal(m.host, root.data, root.size) || m.host[root.size] != '/' || !m.host[root.size + 1] || m.host[root.size + 1] == '/') return;
  m.dir = fd;
  m.path = m.host + root.size + 1;
}

bool name_is_special(Text name) {
  if (guest::mount_is_called(*state.view, name)) return true;
  switch (name[0]) {
    case 's': return name == "self";
    case 't': return name == "thread-self";
    case 'e': return name == "exe";
    case 'm': return name == "maps" || name == "mounts" || name == "mountinfo" || name == "mountstats";
    case 'c': return name == "cwd" || name == "cmdline";
    case 'r': return name == "root";
    default: return false;
  }
}

Scratch::Scratch() : slot_(-1) {
  uint32_t taken = __atomic_load_n(&slots_taken, __ATOMIC_RELAXED);
  while (~taken & ((1u << kSlots) - 1)) {
    const int free = __builtin_ctz(~taken);
    if (__atomic_compare_exchange_n(&slots_taken, &taken, taken | 1u << free, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
      slot_ = free;
      break;
    }
  }
  void* memory = slot_ >= 0 ? slot_memory[slot_]
                            : pointer<void*>(sys::call(__NR_mmap, 0, sizeof(guest::Task), 3, 0x22, -1, 0));
  // The pool's memory is zero at first and a finished task later: valid either way.
  task_ = static_cast<guest::Task*>(memory);
  task_->place.view = state.view;
  task_->place.shared = state.shared;
  task_->place.root = "/";
  task_->place.pid = task_->place.tid = 0;  // asked for when needed
  task_->place.self = true;
  task_->place.root_fd = -1;
  task_->place.context = nullptr;
  task_->place.program_of = program_of;
  task_->memory = &memory_;
  task_->identity = nullptr;
  task_->owners = nullptr;
  task_->chroot_to = nullptr;
  task_->engine_pid = 0;
}

Scratch::~Scratch() {
  if (slot_ >= 0) {
    __atomic_fetch_and(&slots_taken, ~(1u << slot_), __ATOMIC_RELEASE);
  } else {
    sys::call(__NR_munmap, word(task_), sizeof(guest::Task));
  }
}

void forget_directory() {
  __atomic_fetch_add(&current.sequence, 2, __ATOMIC_ACQ_REL);
  current.size = 0;
  // A child that shares our memory must not leave its directory here.
  if (sys::call(__NR_getpid) != state.first_pid) current_disabled = 1;
}

long map_path(int dir, const char* path, Follow follow, Guess guess, Mapped& out) {
  out.dir = dir;
  out.path = path;
  out.exact = true;
  out.read_only = false;
  out.magic = guest::Magic::none;
  if (!path || !active()) return 0;
  size_t size = 0, slash = 0;
  for (; path[size]; ++size)
    if (path[size] == '/') slash = size + 1;
  const Text text(path, size);
  if (text.empty()) return 0;
  if (text[0] != '/') {
    if (slash || !plain_name(text)) {
      if (state.shared && dir == sys::kAtCwd && quick_relative(text, follow, guess, out)) return 0;
      return slow(dir, text, follow, out, {}, {});
    }
    out.exact = follow == Follow::no;
    if (out.exact || guess == Guess::yes) return 0;
    if (read_some_link(dir, path) < 0) {
      out.exact = true;
      return 0;
    }
    return slow(dir, text, follow, out, {}, {});
  }
  if (!state.shared) return slow(dir, text, follow, out, {}, {});
  if (quick(text, slash, follow, guess, out)) return 0;
  Text directory, last;
  if (!split(text, slash, directory, last)) return slow(dir, text, follow, out, {}, {});
  return slow(dir, text, follow, out, directory, last);
}

const char* below_root(const char* host) {
  if (!state.view) return nullptr;
  const Text root = state.view->root();
  const Text text = text_of(host);
  if (root.size <= 1 || !guest::contains_path(root, text)) return nullptr;
  return text.size == root.size ? "/" : host + root.size;
}

bool narrow(char* text, size_t capacity) {
  if (text[0] != '/' || !active()) return false;
  if (!state.mounts_inside) {
    if (const char* below = below_root(text)) {
      const size_t size = text_size(below) + 1;
      if (size > capacity) return false;
      for (size_t i = 0; i < size; ++i) text[i] = below[i];
      return true;
    }
  }
  Scratch scratch;
  guest::GuestPath& out = scratch->input;
  if (!guest::host_to_guest(*state.view, text_of(text), out) || out.size() + 1 > capacity) return false;
  copy(text, out.c_str(), out.size() + 1);
  return true;
}

long emulate(long number, long a, long b, long c, long d, long e, long f) {
  return emulate_by(sys::call, number, {a, b, c, d, e, f});
}

long waiting_call(long number, long a, long b, long c, long d, long e, long f) {
  constexpr long kAsynchronous = 1;
  int before = 0, now;
  NEXT("pthread_setcanceltype")(kAsynchronous, word(&before), 0, 0, 0, 0);
  const long result = sys::call(number, a, b, c, d, e, f);
  NEXT("pthread_setcanceltype")(before, word(&now), 0, 0, 0, 0);
  return result;
}

long emulate_waiting(long number, long a, long b, long c, long d, long e, long f) {
  return emulate_by(waiting_call, number, {a, b, c, d, e, f});
}

const char* keep_text(Text text) {
  // The same few names come again and again: look among the kept ones first.
  static char* chunks[64];
  static uint32_t used[64];
  constexpr size_t kChunk = 64 * 1024;
  for (int i = 0; i < 64; ++i) {
    char* chunk = __atomic_load_n(&chunks[i], __ATOMIC_ACQUIRE);
    if (!chunk) {
      char* fresh = pointer<char*>(sys::call(__NR_mmap, 0, kChunk, 3, 0x22, -1, 0));
      if (word(fresh) < 0 && word(fresh) > -4096) return "";
      if (!__atomic_compare_exchange_n(&chunks[i], &chunk, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        sys::call(__NR_munmap, word(fresh), kChunk);
      else
        chunk = fresh;
    }
    const uint32_t end = __atomic_load_n(&used[i], __ATOMIC_ACQUIRE);
    for (uint32_t at = 0; at + text.size < end && at + text.size < kChunk;) {
      const size_t size = text_size(chunk + at);
      if (size == text.size && equal(chunk + at, text.data, size)) return chunk + at;
      at += static_cast<uint32_t>(size) + 1;
    }
    const uint32_t at = __atomic_fetch_add(&used[i], static_cast<uint32_t>(text.size) + 1, __ATOMIC_ACQ_REL);
    if (at + text.size + 1 > kChunk) continue;
    copy(chunk + at, text.data, text.size);
    chunk[at + text.size] = '\0';
    return chunk + at;
  }
  return "";
}

void complain(Text a, Text b, Text c) {
  struct {
    const char* base;
    size_t size;
  } parts[] = {{"udocker: ", 9}, {a.data, a.size}, {b.data, b.size}, {c.data, c.size}, {"\n", 1}};
  sys::call(__NR_writev, 2, word(parts), 5);
}

}  // namespace udocker::preload
