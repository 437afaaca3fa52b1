#include "guest/exec_plan.hpp"

#include <asm/errno.h>

#include "guest/owners.hpp"
#include "guest/sys.hpp"

namespace udocker::guest {

namespace {

constexpr int kReadOnly = 02000000;  // O_RDONLY | O_CLOEXEC
constexpr int kMaxScripts = 5;

constexpr uint16_t kNativeMachine = kNativeAbi == Abi::x86_64 ? kMachineX86_64 : kMachineAarch64;

bool blank(char c) { return c == ' ' || c == '\t'; }

class Planner {
 public:
  Planner(const Place& place, Workspace& work, ExecPlan& plan, Resolved& found)
      : place_(place), work_(work), plan_(plan), found_(found) {}

  long run(int directory, Text path, Follow follow, bool empty_path, const Owners* owners) {
    plan_.prefix_count = plan_.prefix_size = 0;
    plan_.kind = ExecKind::direct;
    long result = empty_path ? descriptor(directory) : name(directory, path, follow);
    if (result < 0) return result;
    for (int depth = 0;; ++depth) {
      if (depth > kMaxScripts) return -ELOOP;
      if ((result = check(depth == 0 ? owners : nullptr, depth == 0)) < 0) return result;
      if (known_) {
        keep_program();
        return program();
      }
      long fd = sys::open(found_.host.c_str(), kReadOnly);
      if (fd == -EACCES && depth == 0) return unreadable();
      if (fd < 0) return fd;
      result = look(static_cast<int>(fd), directory, path, empty_path);
      sys::close(static_cast<int>(fd));
      if (result != 1) return result;
      path = Text(plan_.prefix, word_size(plan_.prefix));
      directory = sys::kAtCwd;
      if (path.empty()) return -ENOEXEC;
      // The next program is looked up from a copy: resolution may use any buffer.
      if ((result = name(directory, path, Follow::yes)) < 0) return result;
    }
  }

 private:
  static size_t word_size(const char* word) {
    size_t size = 0;
    while (word[size]) ++size;
    return size;
  }

  // Finds the file and its stat.
  long name(int directory, Text path, Follow follow) {
    long result = resolve(place_, work_, directory, path, Follow::no, found_);
    if (result == 0 && found_.magic == Magic::none) {
      result = look_at(sys::kNoFollow);
      if (result != 0 || (stat_.mode & sys::kTypeMask) != sys::kTypeLink) return result;
      if (follow == Follow::no) return -ELOOP;
    }
    if ((result = resolve(place_, work_, directory, path, follow, found_)) < 0) return result;
    return found_.last == Last::missing ? -ENOENT : look_at(0);
  }

  long look_at(int flags) {
    HostName host = name_of(place_, found_);
    return sys::fstatat(host.directory, host.path, &stat_, flags);
  }

  long descriptor(int directory) {
    found_.mount = nullptr;
    long result = host_of_descriptor(place_, directory, found_.host);
    if (result < 0) return result;
    bool named = found_.host.c_str()[0] == '/' && look_at(sys::kNoFollow) == 0;
    if (named && host_to_guest(*place_.view, found_.host.text(), found_.guest)) return 0;
    // A file without a name (memfd, deleted): by its place in /proc.
    proc_prefix(place_, found_.host);
    found_.host.append("/fd/");
    found_.host.append_number(static_cast<uint64_t>(directory));
    found_.guest.assign("/proc/self/fd/");
    found_.guest.append_number(static_cast<uint64_t>(directory));
    return look_at(0);
  }

  // May the file be executed? Its headers are taken from the cache where they are known.
  long check(const Owners* owners, bool first) { return check(owners, first, plan_.program_elf); }
  long check(const Owners* owners, bool first, ElfFacts& facts) {
    const sys::Stat& stat = stat_;
    if ((stat.mode & sys::kTypeMask) != sys::kTypeRegular) return -EACCES;
    known_ = place_.shared && find_elf(&place_.shared->programs, ContentKey(stat), facts);
    if (!known_) {
      long result = sys::call(__NR_faccessat, sys::kAtCwd, sys::address(found_.host.c_str()), 1);
      if (result < 0) return result;
    }
    if (!first) return 0;
    plan_.mode = stat.mode;
    plan_.uid = stat.uid == place_.view->host_uid ? place_.view->uid : stat.uid;
    plan_.gid = stat.gid == place_.view->host_gid ? place_.view->gid : stat.gid;
    Owner owner;
    if (owners && owners->find_inode(stat.dev, stat.ino, sys::kAtCwd, found_.host.c_str(), 0, owner)) {
      plan_.uid = owner.uid;
      plan_.gid = owner.gid;
      if (owner.mode) plan_.mode = owner.mode;
    }
    return 0;
  }

  // A program that may be run but not read: the kernel must do it alone.
  long unreadable() {
    keep_program();
    plan_.kind = ExecKind::direct;
    return 0;
  }

  void keep_facts(const ElfFacts& facts) {
    if (place_.shared) keep_elf(&place_.shared->programs, ContentKey(stat_), facts);
  }

  void keep_program() {
    plan_.program.assign(found_.host.text());
    plan_.program_guest.assign(found_.guest.text());
  }

  // 1: it was a script, its interpreter is the first word of the prefix.
  long look(int fd, int directory, Text path, bool empty_path) {
    char head[kElfHead];
    long size = sys::call(__NR_pread64, fd, sys::address(head), sizeof head, 0);
    if (size < 0) return size;
    if (size >= 2 && head[0] == '#' && head[1] == '!') {
      head[size < static_cast<long>(kShebangMax) ? size : static_cast<long>(kShebangMax)] = '\0';
      return script(head + 2, directory, path, empty_path);
    }
    long result = parse_elf(fd, head, static_cast<size_t>(size), plan_.program_elf);
    if (result < 0) return result;
    keep_facts(plan_.program_elf);
    keep_program();
    return program();
  }

  bool add_word(char* buffer, size_t& used, Text word) {
    if (used + word.size + 1 > sizeof plan_.prefix) return false;
    for (size_t i = 0; i < word.size; ++i) buffer[used + i] = word[i];
    used += word.size;
    buffer[used++] = '\0';
    return true;
  }

  // The words of the script's line go before what is there: interpreter, optional argument, the script's own name in
  // place of the former first word.
  long script(char* line, int directory, Text path, bool empty_path) {
    char* end = line;
    while (*end && *end != '\n') ++end;
    while (end > line && blank(end[-1])) --end;
    *end = '\0';
    while (blank(*line)) ++line;
    if (line == end) return -ENOEXEC;
    char* stop = line;
    while (stop < end && !blank(*stop)) ++stop;
    Text interpreter(line, static_cast<size_t>(stop - line));
    while (blank(*stop)) ++stop;
    Text argument(stop, static_cast<size_t>(end - stop));

    // How the interpreter will name the script: as the caller did, or by descriptor as execveat does.
    GuestPath& script_name = work_.key;
    if (plan_.prefix_count) {
      script_name.assign(Text(plan_.prefix, word_size(plan_.prefix)));
    } else if (empty_path || (directory != sys::kAtCwd && path[0] != '/')) {
      script_name.assign("/dev/fd/");
      script_name.append_number(static_cast<uint64_t>(directory));
      if (!empty_path) script_name.append_component(path);
    } else {
      script_name.assign(path);
    }
    // Rebuild the prefix behind the new words, in the plan's other buffer.
    char* old = plan_.prefix;
    size_t skip = plan_.prefix_count ? word_size(old) + 1 : 0;
    size_t tail = plan_.prefix_size - skip;
    char kept[512];
    if (tail > sizeof kept) return -E2BIG;
    for (size_t i = 0; i < tail; ++i) kept[i] = old[skip + i];
    size_t used = 0;
    uint32_t words = (plan_.prefix_count ? plan_.prefix_count - 1 : 0) + 2;
    if (!add_word(old, used, interpreter)) return -E2BIG;
    if (!argument.empty()) {
      if (!add_word(old, used, argument)) return -E2BIG;
      ++words;
    }
    if (!add_word(old, used, script_name.text())) return -E2BIG;
    if (used + tail > sizeof plan_.prefix) return -E2BIG;
    for (size_t i = 0; i < tail; ++i) old[used + i] = kept[i];
    plan_.prefix_size = static_cast<uint32_t>(used + tail);
    plan_.prefix_count = words;
    return 1;
  }

  bool runs_here() const {
    const ElfFacts& elf = plan_.program_elf;
    if (elf.is_64 && elf.machine == kNativeMachine) return true;
    return kNativeAbi == Abi::x86_64 && !elf.is_64 && elf.machine == kMachineX86;
  }

  long program() {
    if (!runs_here()) {
      if (!place_.view->emulator_size) return -ENOEXEC;
      plan_.kind = ExecKind::emulated;
      return 0;
    }
    if (!plan_.program_elf.has_interpreter) {
      plan_.kind = ExecKind::direct;
      return 0;
    }
    Text interpreter(plan_.program_elf.interpreter);
    long result = name(sys::kAtCwd, interpreter, Follow::yes);
    if (result < 0) return result;
    if ((result = check(nullptr, false, plan_.interpreter_elf)) < 0) return result;
    if (!known_) {
      long fd = sys::open(found_.host.c_str(), kReadOnly);
      if (fd < 0) return fd;
      result = read_elf(static_cast<int>(fd), plan_.interpreter_elf);
      sys::close(static_cast<int>(fd));
      if (result < 0) return result == -ENOEXEC ? -ELIBBAD : result;
      keep_facts(plan_.interpreter_elf);
    }
    plan_.interpreter_key = ContentKey(stat_);
    plan_.interpreter.assign(found_.host.text());
    plan_.interpreter_guest.assign(found_.guest.text());
    plan_.kind = ExecKind::dynamic;
    return 0;
  }

  const Place& place_;
  Workspace& work_;
  ExecPlan& plan_;
  Resolved& found_;
  sys::Stat stat_;
  bool known_ = false;  // the headers came from the cache
};

}  // namespace

long plan_exec(const Place& place, Workspace& work, Resolved& found, const Owners* owners, int directory, Text path,
               Follow follow, bool empty_path, ExecPlan& plan) {
  Planner planner(place, work, plan, found);
  return planner.run(directory, path, follow, empty_path, owners);
}

}  // namespace udocker::guest
