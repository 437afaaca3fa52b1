// execve: the next program image is the runtime again, told what to load.
#include "embedded/trap/runtime/dispatch.hpp"
#include "embedded/trap/runtime/process.hpp"
#include "embedded/trap/runtime/signals.hpp"
#include "embedded/trap/runtime/start_words.hpp"
#include "embedded/trap/runtime/tracing.hpp"

#include <linux/fcntl.h>

namespace udocker::trap {
namespace {

constexpr size_t kWordsSize = 24 * 1024;  // room for the first argument
constexpr uint64_t kMaxArguments = 1u << 20;

// Counts a NULL-terminated vector of the guest; negative errno when it cannot be read.
long count_vector(uint64_t at) {
  if (!at) return 0;
  for (uint64_t count = 0; count < kMaxArguments; ++count) {
    uint64_t value;
    if (read_guest(value, at + count * 8)) return -EFAULT;
    if (!value) return static_cast<long>(count);
  }
  return -E2BIG;
}

bool under_proc_fd(guest::Text path) { return path.starts_with("/proc/"); }

}  // namespace

long run_program(Slot* slot) {
  const guest::ExecPlan& plan = slot->task.plan;
  const Trap& trap = *slot->trap;
  Process& self = me();
  bool at_form = trap.number == __NR_execveat;
  uint64_t argv = trap.arg[at_form ? 2 : 1], envp = trap.arg[at_form ? 3 : 2];
  if (plan.kind == guest::ExecKind::emulated || !plan.program_elf.is_64) {
    say("udocker-trap: cannot run ", plan.program_guest.c_str(), ": not a 64-bit program of this processor; use execution mode P1\n");
    return -EACCES;  // shells would take ENOEXEC for a script
  }
  long count = count_vector(argv);
  if (count < 0) return count;
  size_t needed = kWordsSize + guest::kPathMax + (static_cast<size_t>(count) + plan.prefix_count + 8) * 8;
  char* memory = slot_extra(slot, needed);
  if (!memory) return -ENOMEM;

  // A program named by a descriptor may be gone after the exec: it goes along open.
  char descriptor[32] = "fd:";
  guest::Text program = plan.program.text();
  int carried = -1;
  if (under_proc_fd(program)) {
    carried = static_cast<int>(guest::sys::open(plan.program.c_str(), O_RDONLY));
    if (carried < 0) return carried;
    size_t size = 3;
    char digits[12];
    size_t digit = 0;
    for (int value = carried; digit == 0 || value; value /= 10) digits[digit++] = static_cast<char>('0' + value % 10);
    while (digit) descriptor[size++] = digits[--digit];
    program = {descriptor, size};
  }
  guest::Identity identity = self.identity;
  bool changed = self.identity_changed;
  if (self.view->has(guest::kFakeIds) && (plan.mode & 06000)) {
    guest::apply_exec(identity, plan.mode, plan.uid, plan.gid);
    changed = changed || __builtin_memcmp(&identity, &self.identity, sizeof identity);
  }
  WordWriter words(memory, kWordsSize);
  words.add(self.text(self.settings->path_at));
  words.add(program);
  words.add(plan.kind == guest::ExecKind::dynamic ? plan.interpreter.text() : guest::Text(""));
  words.add(plan.program_guest.text());
  words.add(self.root_text());
  if (changed) words.add_hex(&identity, sizeof identity);
  else words.add("");
  words.add("");
  if (plan.kind == guest::ExecKind::dynamic) words.add_hex(&plan.interpreter_key, sizeof plan.interpreter_key);
  else words.add("");
  if (!words.end()) return -E2BIG;

  char* name = memory + kWordsSize;
  long path = static_cast<long>(trap.arg[at_form ? 1 : 0]);
  long size = trap_copy_text(name, reinterpret_cast<const char*>(path), guest::kPathMax);
  if (size < 0 || (size == 0 && at_form)) __builtin_memcpy(name, plan.program_guest.c_str(), plan.program_guest.size() + 1);

  auto** out = reinterpret_cast<const char**>(memory + kWordsSize + guest::kPathMax);
  *out++ = memory;
  *out++ = name;
  const char* prefix = plan.prefix;
  for (uint32_t i = 0; i < plan.prefix_count; ++i) {
    *out++ = prefix;
    while (*prefix++) {
    }
  }
  long skip = plan.prefix_count ? 1 : 0;
  if (count > skip) {
    if (trap_copy_in(out, reinterpret_cast<const void*>(argv + static_cast<uint64_t>(skip) * 8),
                     static_cast<size_t>(count - skip) * 8))
      return -EFAULT;
    out += count - skip;
  } else if (count == 0 && !plan.prefix_count) {
    *out++ = "";  // as the kernel since 5.18
  }
  *out = nullptr;

  // A set-id program's ids differ from those the filter answers with.
  if (changed && !self.identity_changed) stack_identity_filter();
  bool borrowed = in_borrowed_memory();
  signals_before_exec();
  trace_before_exec();
  // A vfork child leaves its slot to the kernel, which frees it when the child leaves our memory.
  if (borrowed) call(__NR_set_tid_address, address(&slot->busy));
  long result = call(__NR_execve, address(self.text(self.settings->runtime_at)),
                     address(memory + kWordsSize + guest::kPathMax), static_cast<long>(envp));
  if (borrowed) call(__NR_set_tid_address, 0);
  signals_after_failed_exec();
  if (carried >= 0) guest::sys::close(carried);
  return result;
}

}  // namespace udocker::trap
