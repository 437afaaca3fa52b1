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

constexpr uint64_t kPage = 4096;
constexpr long kNoReplace = 0x100000, kNoRandom = 0x40000;
constexpr uint64_t kHasFsgsbase = 2;

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

int open_text(guest::Text path, int mode = O_RDONLY) {
  guest::HostPath host;
  host.assign(path);
  long fd = guest::sys::open(host.c_str(), mode | O_CLOEXEC);
  if (failed(fd)) die("cannot open", host.c_str(), fd);
  return static_cast<int>(fd);
}

void map_settings(guest::Text path) {
  int fd = open_text(path, O_RDWR);
  guest::sys::Stat stat;
  if (call(__NR_fstat, fd, address(&stat))) die("cannot read the container's settings");
  long made = call(__NR_mmap, kSettingsAt, stat.size, PROT_READ | PROT_WRITE, MAP_SHARED | kNoReplace, fd, 0);
  guest::sys::close(fd);
  if (made != static_cast<long>(kSettingsAt)) die("cannot map the container's settings", "", made);
  auto* settings = reinterpret_cast<Settings*>(made);
  if (settings->magic != kMagic) die("the container's settings are of another version");
  settings->raw_call = reinterpret_cast<uint64_t>(trap_final_call);
  me().settings = settings;
  me().view = reinterpret_cast<const guest::View*>(me().text(settings->view_at));
  me().shared = const_cast<guest::Shared*>(reinterpret_cast<const guest::Shared*>(me().text(settings->shared_at)));
}

void read_state(const Stack& stack, const guest::Text* words) {
  me().fast_mark = (stack.aux(AT_HWCAP2) & kHasFsgsbase) != 0;
  me().program.assign(words[kProgramGuestWord]);
  me().root.assign(words[kRootWord]);
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
  long page = call(__NR_mmap, 0, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!failed(page) && !call(__NR_madvise, page, kPage, MADV_WIPEONFORK)) me().pid_page = reinterpret_cast<int*>(page);
}

int program_descriptor(guest::Text word) {
  if (!word.starts_with("fd:")) return open_text(word);
  int fd = 0;
  for (size_t i = 3; i < word.size; ++i) fd = fd * 10 + (word[i] - '0');
  return fd;
}

void load(int fd, Where where, uint64_t random, Image& image, const char* name) {
  long result = guest::read_elf(fd, image.facts);
  if (!result) result = map_image(fd, where, random, image);
  if (result) die("cannot load", name, result);
}

// The interpreter's patched copy where there is one and its stubs can be mapped.
void load_interpreter(int fd, Image& image) {
  Copy copy = find_copy(fd);
  if (copy.fd >= 0) {
    load(copy.fd, Where::mapping_area, 0, image, "the program's interpreter");
    bool adopted = adopt_copy(copy, image.bias);
    guest::sys::close(copy.fd);
    if (adopted) return;
  }
  load(fd, Where::mapping_area, 0, image, "the program's interpreter");
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
  map_settings(words[kSettingsWord]);
  read_state(stack, words);
  start_signals();

  uint64_t random[2] = {};
  if (!(call(__NR_personality, 0xffffffff) & kNoRandom)) call(__NR_getrandom, address(random), sizeof random, 0);
  Image program, interpreter;
  int fd = program_descriptor(words[kProgramWord]);
  load(fd, Where::program_area, random[0] & 0xfffffff, program, stack.exec_name);
  guest::sys::close(fd);
  bool dynamic = !words[kInterpreterWord].empty();
  me().patches = dynamic && (me().settings->flags & kPatch);
  if (dynamic) {
    fd = open_text(words[kInterpreterWord]);
    load_interpreter(fd, interpreter);
    guest::sys::close(fd);
  }
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
    call(__NR_mprotect, static_cast<long>(reinterpret_cast<uint64_t>(raw) & ~(kPage - 1)), kPage,
         PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
  describe_memory(stack, program, program.end + (random[1] & 0x1fff) * kPage);
  if (!words[kFirstWord].empty()) {
    if (call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("the kernel knows no PR_SET_NO_NEW_PRIVS");
    install(me().settings->filter_at, me().settings->filter_count);
  }
  trap_enter(stack.top, dynamic ? interpreter.entry() : program.entry());
}

}  // namespace udocker::trap
