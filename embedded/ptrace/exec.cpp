#include "embedded/ptrace/exec.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "embedded/ptrace/stub.hpp"

namespace udocker::ptrace {

namespace {

const uint64_t page_size = ::getauxval(AT_PAGESZ);  // on aarch64 the kernel's choice
uint64_t page_down(uint64_t value) { return value & ~(page_size - 1); }
uint64_t page_up(uint64_t value) { return page_down(value + page_size - 1); }

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// `path` with slashes added behind its first one until it is at least `size` long: AT_EXECFN's text is the name the
// kernel was given, and the guest's name is later written over it.
std::string padded(const std::string& path, std::size_t size) {
  if (path.size() >= size || size >= 4000) return path;
  return std::string(size - path.size(), '/') + path;
}

long put_words(TraceeMemory& memory, const std::vector<std::string>& words, uint64_t old_argv, bool compat, uint64_t& out) {
  std::size_t width = compat ? 4 : 8;
  // The caller's argv without its first word.
  std::vector<char> rest;
  char chunk[512];
  bool ended = false;
  for (uint64_t at = old_argv; old_argv && !ended;) {
    std::size_t size = std::min<std::size_t>(sizeof chunk, page_size - at % page_size);
    if (memory.read(at, chunk, size) < 0) return -EFAULT;
    for (std::size_t i = 0; i + width <= size && !ended; i += width) {
      ended = std::all_of(chunk + i, chunk + i + width, [](char c) { return c == 0; });
      rest.insert(rest.end(), chunk + i, chunk + i + width);
    }
    at += size;
    if (rest.size() > (std::size_t{8} << 20)) return -E2BIG;
  }
  if (rest.empty()) rest.assign(width, 0);
  if (rest.size() > width) rest.erase(rest.begin(), rest.begin() + static_cast<long>(width));
  std::string text;
  for (const auto& word : words) text += word + '\0';
  uint64_t texts = memory.place_for(text.size());
  std::vector<char> vector;
  uint64_t address = texts;
  for (const auto& word : words) {
    vector.insert(vector.end(), reinterpret_cast<char*>(&address), reinterpret_cast<char*>(&address) + width);
    address += word.size() + 1;
  }
  vector.insert(vector.end(), rest.begin(), rest.end());
  out = memory.place_for(vector.size());
  if (memory.write(texts, text.data(), text.size()) < 0) return -E2BIG;
  return memory.write(out, vector.data(), vector.size()) < 0 ? -E2BIG : 0;
}

std::vector<std::string> prefix_words(const guest::ExecPlan& plan) {
  std::vector<std::string> words;
  const char* at = plan.prefix;
  for (uint32_t i = 0; i < plan.prefix_count; ++i) {
    words.emplace_back(at);
    at += words.back().size() + 1;
  }
  return words;
}

std::string first_word(TraceeMemory& memory, uint64_t argv, bool compat) {
  uint64_t address = 0;
  char text[4096];
  if (!argv || memory.read(argv, &address, compat ? 4 : 8) < 0 || !address) return {};
  return memory.read_text(address, text, sizeof text) < 0 ? std::string() : std::string(text);
}

}  // namespace

ExecCall prepare_exec(Tracee& tracee, TraceeMemory& memory, const guest::ExecPlan& plan, const guest::View&,
                      const std::string& emulator, const std::vector<std::string>& emulator_args,
                      const std::string (&stub_paths)[2], const std::string& requested, uint64_t argv, bool compat) {
  ExecCall call;
  auto pending = std::make_unique<PendingExec>();
  pending->program_host = plan.program.c_str();
  pending->program_guest = plan.program_guest.c_str();
  pending->shown = requested;
  pending->name = base_name(requested.empty() ? pending->program_guest : requested);
  pending->program = plan.program_elf;
  pending->mode = plan.mode;
  pending->uid = plan.uid;
  pending->gid = plan.gid;
  std::vector<std::string> words = prefix_words(plan);
  const std::string& stub_path = stub_paths[!plan.program_elf.is_64];
  std::string path;
  if (plan.kind == guest::ExecKind::dynamic) {
    pending->by_stub = pending->has_interpreter = true;
    pending->interpreter_host = plan.interpreter.c_str();
    pending->interpreter = plan.interpreter_elf;
    path = stub_path;
  } else if (plan.kind == guest::ExecKind::emulated) {
    path = emulator;
    if (words.empty()) words = {first_word(memory, argv, compat)};
    std::string argv0 = words[0];
    std::vector<std::string> front = {emulator};
    front.insert(front.end(), emulator_args.begin(), emulator_args.end());
    front.insert(front.end(), {"-0", argv0, pending->program_guest});
    words.erase(words.begin());
    words.insert(words.begin(), front.begin(), front.end());
  } else {
    path = pending->program_host;
    // A link such as busybox's: the thread's name is that of the link, which only the stub can set.
    bool other_name = base_name(path) != pending->name && plan.program_elf.segment_count > 0 && plan.kind == guest::ExecKind::direct && requested.find("/fd/") == std::string::npos;
    if (other_name) {
      pending->by_stub = true;
      path = stub_path;
    }
  }
  path = padded(path, pending->shown.size());
  call.path = memory.place_for(path.size() + 1);
  call.error = memory.write(call.path, path.c_str(), path.size() + 1);
  call.arguments = argv;
  if (call.error == 0 && !words.empty()) call.error = put_words(memory, words, argv, compat, call.arguments);
  tracee.exec = std::move(pending);
  return call;
}

namespace {

// The initial stack: where the auxiliary vector lies, and its entries, each of `width` bytes.
struct Auxiliary {
  std::size_t width = 8;
  uint64_t address = 0;
  std::vector<uint64_t> words;  // pairs of type and value

  uint64_t* find(uint64_t type) {
    for (std::size_t i = 0; i + 1 < words.size(); i += 2)
      if (words[i] == type) return &words[i + 1];
    return nullptr;
  }
  uint64_t address_of(uint64_t type) {
    uint64_t* value = find(type);
    return value ? address + static_cast<uint64_t>(value - words.data()) * width : 0;
  }
  uint64_t size() const { return words.size() * width; }
};

template <class Word>
bool read_auxiliary(TraceeMemory& memory, uint64_t stack, Auxiliary& out) {
  out.width = sizeof(Word);
  std::vector<Word> block;
  std::size_t at = 0;  // words examined
  int stage = 0;       // 0: argc, 1: argv, 2: envp, 3: auxv
  while (block.size() < (std::size_t{1} << 21)) {
    uint64_t address = stack + block.size() * sizeof(Word);
    std::size_t count = (page_size - address % page_size) / sizeof(Word);
    std::size_t old = block.size();
    block.resize(old + count);
    if (memory.read(address, block.data() + old, count * sizeof(Word)) < 0) return false;
    for (; at < block.size(); ++at) {
      if (stage == 0) {
        stage = 1;
      } else if (stage < 3) {
        if (block[at] == 0 && ++stage == 3) out.address = stack + (at + 1) * sizeof(Word);
      } else {
        out.words.push_back(block[at]);
        if (out.words.size() % 2 == 0 && out.words[out.words.size() - 2] == AT_NULL) return true;
      }
    }
  }
  return false;
}

long write_auxiliary(TraceeMemory& memory, const Auxiliary& auxiliary) {
  if (auxiliary.width == 8) return memory.write(auxiliary.address, auxiliary.words.data(), auxiliary.size());
  std::vector<uint32_t> narrow;
  for (uint64_t word : auxiliary.words) narrow.push_back(static_cast<uint32_t>(word));
  return memory.write(auxiliary.address, narrow.data(), auxiliary.size());
}

// The calls of a script by the table that the program uses.
struct Numbers {
  long prctl, openat, map, close;
  uint64_t map_unit;  // of the offset of a mapping
};
constexpr Numbers kNumbers = {SYS_prctl, SYS_openat, SYS_mmap, SYS_close, 1}, kNarrowNumbers = {172, 295, 192, 6, 4096};

// Mapping of the segments of one file by the stub; its descriptor is in the stub's register.
void map_segments(Script& script, const Numbers& number, const guest::ElfFacts& elf, uint64_t base, uint64_t flags) {
  uint64_t brk_end = 0;
  for (uint32_t i = 0; i < elf.segment_count; ++i) {
    const auto& segment = elf.segments[i];
    int protection = (segment.flags & PF_R ? PROT_READ : 0) | (segment.flags & PF_W ? PROT_WRITE : 0) |
                     (segment.flags & PF_X ? PROT_EXEC : 0);
    uint64_t start = base + page_down(segment.address);
    uint64_t lead = segment.address - page_down(segment.address);
    uint64_t file_end = base + segment.address + segment.file_size;
    uint64_t end = page_up(base + segment.address + segment.memory_size);
    if (segment.file_size)
      script.call(number.map,
                  {start, page_up(segment.file_size + lead), static_cast<uint64_t>(protection), MAP_PRIVATE | MAP_FIXED, 0,
                   page_down(segment.file_offset) / number.map_unit},
                  flags | Script::kDescriptor4);
    if (segment.memory_size > segment.file_size) {
      uint64_t mapped_end = segment.file_size ? page_up(file_end) : start;
      if (end > mapped_end)
        script.call(number.map,
                    {mapped_end, end - mapped_end, static_cast<uint64_t>(protection), MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS,
                     ~uint64_t{0}, 0},
                    flags);
      if (segment.file_size && (protection & PROT_WRITE) && mapped_end > file_end)
        script.clear(file_end, mapped_end - file_end);
    }
    brk_end = std::max(brk_end, end);
  }
}

// Where a position-independent program goes: as the kernel would, in the middle of the address space.
uint64_t choose_base(const guest::ElfFacts& elf) {
#if defined(__x86_64__)
  uint64_t base = 0x555555554000, spread = 0x3ffffff;
#else
  uint64_t base = 0x5500000000, spread = 0x3ffff;
#endif
  if (!elf.is_64) base = 0x56555000, spread = 0xff;
  uint64_t random = 0;
  if (::getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) random = 0;
  base += (random & spread) * page_size;
  uint64_t alignment = std::max<uint64_t>(elf.alignment, page_size);
  return (base + alignment - 1) / alignment * alignment - page_down(elf.low);
}

}  // namespace

int complete_exec(Tracee& tracee, TraceeMemory& memory, Registers& registers, bool fake) {
  PendingExec& pending = *tracee.exec;
  uint64_t stack = registers.stack();
  bool narrow = registers.compat();
  memory.attach(tracee.tid, stack, 0);
  Auxiliary auxiliary;
  if (!(narrow ? read_auxiliary<uint32_t>(memory, stack, auxiliary) : read_auxiliary<uint64_t>(memory, stack, auxiliary))) return 0;
  auto set = [&](uint64_t type, uint64_t value) {
    if (uint64_t* slot = auxiliary.find(type)) *slot = value;
  };
  if (uint64_t* shown = auxiliary.find(AT_EXECFN); shown && !pending.shown.empty())
    memory.write(*shown, pending.shown.c_str(), pending.shown.size() + 1);
  if (fake) {
    set(AT_UID, tracee.identity.ruid);
    set(AT_EUID, tracee.identity.euid);
    set(AT_GID, tracee.identity.rgid);
    set(AT_EGID, tracee.identity.egid);
  }
  Script script;
  if (pending.by_stub) {
    const auto& program = pending.program;
    const Numbers& number = narrow ? kNarrowNumbers : kNumbers;
    uint64_t base = program.relocatable ? choose_base(program) : 0;
    set(AT_PHDR, base + program.headers_address);
    set(AT_PHENT, program.header_size);
    set(AT_PHNUM, program.header_count);
    set(AT_ENTRY, base + program.entry);
    set(AT_BASE, 0);
    std::string texts = pending.program_host + '\0' + pending.interpreter_host + '\0' + pending.name.substr(0, 15) + '\0';
    uint64_t text = memory.place_for(texts.size());
    uint64_t interpreter_text = text + pending.program_host.size() + 1;
    uint64_t name_text = interpreter_text + pending.interpreter_host.size() + 1;
    auto cwd = static_cast<uint64_t>(static_cast<int64_t>(AT_FDCWD));
    constexpr uint64_t kOpen = O_RDONLY | O_CLOEXEC;
    script.call(number.prctl, {PR_SET_NAME, name_text}, Script::kMayFail);
    script.call(number.openat, {cwd, text, kOpen}, Script::kSetDescriptor);
    if (program.relocatable)
      script.call(number.map,
                  {base + page_down(program.low), page_up(program.high) - page_down(program.low), PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ~uint64_t{0}, 0},
                  0);
    map_segments(script, number, program, base, 0);
    script.call(number.close, {0}, Script::kDescriptor0);
    if (pending.has_interpreter) {
      const auto& interpreter = pending.interpreter;
      uint64_t low = page_down(interpreter.low);
      script.call(number.openat, {cwd, interpreter_text, kOpen}, Script::kSetDescriptor);
      if (interpreter.relocatable) {
        script.call(number.map,
                    {0, page_up(interpreter.high) - low, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~uint64_t{0}, 0},
                    Script::kSetBase);
        if (low) script.add_base(~low + 1);
      }
      map_segments(script, number, interpreter, 0, Script::kAddBase);
      script.call(number.close, {0}, Script::kDescriptor0);
      if (uint64_t address = auxiliary.address_of(AT_BASE)) script.store(address, 0);
      script.jump(interpreter.entry, stack);
    } else {
      script.jump(base + program.entry, stack);
    }
    memory.write(text, texts.data(), texts.size());
    uint64_t size = script.words().size() * 8;
    uint64_t place = memory.place_for(size);
    memory.write(place, script.words().data(), size);
    registers.start(stub_entry(narrow), place);
  }
  write_auxiliary(memory, auxiliary);
  if (pending.by_stub) {
    tracee.space->auxv = auxiliary.address;
    tracee.space->auxv_size = auxiliary.size();
    registers.store(tracee.tid);
  }
  tracee.exec.reset();
  return script.calls();
}

}  // namespace udocker::ptrace
