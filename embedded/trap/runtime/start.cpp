// First code of every program image: reads what udocker-trap or the previous image handed over, loads the guest's
// program beside itself, and leaves for it with the stack the kernel would have made.
#include "embedded/trap/runtime/libraries.hpp"
#include "embedded/trap/runtime/loader.hpp"
#include "embedded/trap/runtime/process.hpp"
#include "embedded/trap/runtime/signals.hpp"
#include "embedded/trap/runtime/start_words.hpp"

#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

extern "C" [[noreturn]] void trap_enter(uint64_t* stack, uint64_t entry);

namespace udocker::trap {
namespace {

constexpr long kNoReplace = 0x100000, kNoRandom = 0x40000;

struct Auxiliary {
  uint64_t type, value;
};

struct Stack {
  uint64_t* top;  // argc of the guest
  char** argv;
  char** envp;
  Auxiliary* auxv;
  size_t aux_count;
  const char* exec_name;  // AT_EXECFN
  const char* words;

  uint64_t aux(uint64_t type) const {
    for (size_t i = 0; i < aux_count; ++i)
      if (auxv[i].type == type) return auxv[i].value;
    return 0;
  }
  void set_aux(uint64_t type, uint64_t value) {
    for (size_t i = 0; i < aux_count; ++i)
      if (auxv[i].type == type) auxv[i].value = value;
  }
};

// The stack without our two arguments; two words fewer keep it aligned.
Stack read_stack(uint64_t* raw) {
  Stack stack;
  if (raw[0] < 3) die("this program is the runtime of udocker-trap and is started by it");
  stack.words = reinterpret_cast<const char*>(raw[1]);
  stack.exec_name = reinterpret_cast<const char*>(raw[2]);
  uint64_t count = raw[0] - 2;
  stack.top = raw + 2;
  stack.top[0] = count;
  stack.argv = reinterpret_cast<char**>(stack.top + 1);
  stack.envp = stack.argv + count + 1;
  char** at = stack.envp;
  while (*at) ++at;
  stack.auxv = reinterpret_cast<Auxiliary*>(at + 1);
  stack.aux_count = 0;
  while (stack.auxv[stack.aux_count].type) ++stack.aux_count;
  ++stack.aux_count;
  return stack;
}

// Words are not terminated; what follows one is the next one's length, which has been read by then.
const char* terminated(guest::Text word) {
  const_cast<char*>(word.data)[word.size] = '\0';
  return word.data;
}

int open_word(guest::Text path, int mode = O_RDONLY) {
  long fd = guest::sys::open(terminated(path), mode | O_CLOEXEC);
  if (failed(fd)) die("cannot open", path.data, fd);
  return static_cast<int>(fd);
}

// Returns the open settings: the stubs are mapped from them later.
int map_settings(guest::Text path) {
  int fd = open_word(path, O_RDWR);
  long made = call(__NR_mmap, kSettingsAt, kSettingsSpan, PROT_READ | PROT_WRITE, MAP_SHARED | kNoReplace, fd, 0);
  if (made != static_cast<long>(kSettingsAt)) die("cannot map the container's settings", "", made);
  auto* settings = reinterpret_cast<Settings*>(made);
  if (settings->magic != kMagic) die("the container's settings are of another version");
  auto raw_call = reinterpret_cast<uint64_t>(trap_final_call);
  if (settings->raw_call != raw_call) settings->raw_call = raw_call;
  me().settings = settings;
  me().view = reinterpret_cast<const guest::View*>(me().text(settings->view_at));
  me().shared = const_cast<guest::Shared*>(reinterpret_cast<const guest::Shared*>(me().text(settings->shared_at)));
  return fd;
}

// T1: before the guest's own memory is laid out, but behind a program that is linked to this place.
bool map_stubs(int settings) {
  uint32_t at = me().settings->window_at;
  if (!at) return false;
  long made = call(__NR_mmap, kStubsAt, kStubWindow, PROT_READ | PROT_EXEC, MAP_SHARED | kNoReplace, settings, at);
  if (made == static_cast<long>(kStubsAt)) return true;
  if (!failed(made)) call(__NR_munmap, made, kStubWindow);
  return false;
}

void read_state(const Stack& stack, const guest::Text* words) {
  me().fast_mark = has_thread_mark(stack.aux(AT_HWCAP2));
  me().program = {terminated(words[kProgramGuestWord]), words[kProgramGuestWord].size};
  if (!(words[kRootWord] == "/")) me().root.assign(words[kRootWord]);
  const guest::View& view = *me().view;
  if (words[kIdentityWord].empty()) {
    guest::start_identity(me().identity, view.uid, view.gid);
  } else if (read_hex(words[kIdentityWord], &me().identity, sizeof me().identity)) {
    me().identity_changed = true;
  } else {
    die("the identity of this process is not readable");
  }
  if (view.owners_size)
    me().owners.open(view.at(view.owners, view.owners_size).data, view.root().data, guest::Owners::Mode::read_write,
                      guest::Owners::Descriptors::none);
  note_owner();
  find_root_fd();
}

int program_descriptor(guest::Text word) {
  if (!word.starts_with("fd:")) return open_word(word);
  int fd = 0;
  for (size_t i = 3; i < word.size; ++i) fd = fd * 10 + (word[i] - '0');
  return fd;
}

void load(int fd, Where where, uint64_t random, Image& image, const char* name) {
  long result = map_image(fd, where, random, image);
  if (result) die("cannot load", name, result);
}

void load_program(int fd, uint64_t random, Image& image, const char* name) {
  guest::sys::Stat stat;
  bool known = call(__NR_fstat, fd, address(&stat)) == 0 &&
               guest::find_elf(&me().shared->programs, guest::ContentKey(stat), image.facts);
  if (long result = known ? 0 : guest::read_elf(fd, image.facts)) die("cannot load", name, result);
  load(fd, Where::program_area, random, image, name);
}

// The interpreter's patched copy where there is one.
void load_interpreter(guest::Text word, guest::Text key_word, Image& image) {
  constexpr const char* kName = "the program's interpreter";
  guest::ContentKey key;
  if (!read_hex(key_word, &key, sizeof key)) die("cannot load", kName);
  const char* path = terminated(word);
  Copy copy = find_copy(key, -1, path);
  int fd = copy.fd >= 0 ? copy.fd : open_word(word);
  bool known = guest::find_elf(&me().shared->programs, key, image.facts);
  if (long result = known ? 0 : guest::read_elf(fd, image.facts)) die("cannot load", kName, result);
  load(fd, Where::mapping_area, 0, image, kName);
  if (copy.fd >= 0) adopt_copy(copy, image.bias);
  guest::sys::close(fd);
}

// What /proc shows of this process, and where brk grows. Old kernels without the call keep the heap behind the runtime.
void describe_memory(const Stack& stack, const Image& program, uint64_t heap) {
  prctl_mm_map map{};
  map.start_code = program.facts.segments[0].address + program.bias;
  map.end_code = map.start_code + program.facts.segments[0].file_size;
  map.start_data = map.end_data = map.end_code;
  for (uint32_t i = 0; i < program.facts.segment_count; ++i) {
    const guest::ElfSegment& segment = program.facts.segments[i];
    if (segment.flags & 1) {
      map.start_code = segment.address + program.bias;
      map.end_code = map.start_code + segment.file_size;
    }
    if (!(segment.flags & 2)) continue;
    map.start_data = segment.address + program.bias;
    map.end_data = map.start_data + segment.file_size;
  }
  map.start_brk = map.brk = heap;
  map.start_stack = reinterpret_cast<uint64_t>(stack.top);
  const char* last = stack.exec_name;
  while (*last) ++last;
  map.arg_start = map.arg_end = reinterpret_cast<uint64_t>(last) + 1;
  for (char** arg = stack.argv; *arg; ++arg) {
    const char* end = *arg;
    while (*end) ++end;
    map.arg_end = reinterpret_cast<uint64_t>(end) + 1;
  }
  map.env_start = map.env_end = map.arg_end;
  for (char** entry = stack.envp; *entry; ++entry) {
    const char* end = *entry;
    while (*end) ++end;
    map.env_end = reinterpret_cast<uint64_t>(end) + 1;
  }
  map.auxv = reinterpret_cast<__u64*>(stack.auxv);
  map.auxv_size = static_cast<uint32_t>(stack.aux_count * sizeof(Auxiliary));
  map.exe_fd = static_cast<uint32_t>(-1);
  call(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, address(&map), sizeof map);
  const char* base = stack.exec_name;
  for (const char* at = base; *at; ++at)
    if (*at == '/') base = at + 1;
  call(__NR_prctl, PR_SET_NAME, address(base));
}

void install(uint32_t at, uint32_t count) {
  sock_fprog program{static_cast<unsigned short>(count),
                     const_cast<sock_filter*>(reinterpret_cast<const sock_filter*>(me().text(at)))};
  long result = call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, address(&program));
  if (failed(result)) result = call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, address(&program));
  if (failed(result)) result = call(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, address(&program));
  if (failed(result)) die("the kernel refuses a seccomp filter; another execution mode is needed (P1, F3)", "", result);
}

}  // namespace

void stack_identity_filter() { install(me().settings->query_filter_at, me().settings->query_filter_count); }

extern "C" [[noreturn]] void trap_start(uint64_t* raw) {
  Stack stack = read_stack(raw);
  make_me();
  guest::Text words[kStartWords];
  if (!split_words(stack.words, words, kStartWords)) die("this program is the runtime of udocker-trap and is started by it");
  note_page_size(stack.aux(AT_PAGESZ));
  bool first = !words[kFirstWord].empty();
  int settings = map_settings(words[kSettingsWord]);
  read_state(stack, words);
  start_signals(first);

  uint64_t random[2] = {};
  if (!(call(__NR_personality, 0xffffffff) & kNoRandom)) call(__NR_getrandom, address(random), sizeof random, 0);
  Image program, interpreter;
  int fd = program_descriptor(words[kProgramWord]);
  load_program(fd, random[0] & 0xfffffff, program, stack.exec_name);
  guest::sys::close(fd);
  bool dynamic = !words[kInterpreterWord].empty();
  me().patches = dynamic && (me().settings->flags & kPatch) && map_stubs(settings);
  guest::sys::close(settings);
  if (dynamic) load_interpreter(words[kInterpreterWord], words[kKeyWord], interpreter);
  stack.set_aux(AT_PHDR, program.headers());
  stack.set_aux(AT_PHENT, program.facts.header_size);
  stack.set_aux(AT_PHNUM, program.facts.header_count);
  stack.set_aux(AT_BASE, dynamic ? interpreter.bias : 0);
  stack.set_aux(AT_ENTRY, program.entry());
  stack.set_aux(AT_EXECFN, reinterpret_cast<uint64_t>(stack.exec_name));
  if (me().view->has(guest::kFakeIds)) {
    const guest::Identity& identity = me().identity;
    stack.set_aux(AT_UID, identity.ruid);
    stack.set_aux(AT_EUID, identity.euid);
    stack.set_aux(AT_GID, identity.rgid);
    stack.set_aux(AT_EGID, identity.egid);
  }
  if (program.facts.executable_stack)
    call(__NR_mprotect, static_cast<long>(reinterpret_cast<uint64_t>(raw) & ~(page_size - 1)), page_size,
         PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
  describe_memory(stack, program, program.end + (random[1] & 0x1fff) * page_size);
  if (first) {
    if (call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("the kernel knows no PR_SET_NO_NEW_PRIVS");
    install(me().settings->filter_at, me().settings->filter_count);
  }
  trap_enter(stack.top, dynamic ? interpreter.entry() : program.entry());
}

}  // namespace udocker::trap
