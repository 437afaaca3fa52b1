// What an execve becomes: walks #! lines, looks at the ELF headers, finds the interpreter in the view.
#pragma once
#include "guest/elf_cache.hpp"
#include "guest/memory.hpp"
#include "guest/resolve.hpp"
#include "guest/table.hpp"

namespace udocker::guest {

inline constexpr size_t kShebangMax = 256;

enum class ExecKind : uint8_t {
  direct,    // the kernel can load `program` itself (static, or static-pie)
  dynamic,   // an interpreter must be mapped: `interpreter`
  emulated,  // foreign machine: run `emulator`
};

struct ExecPlan {
  ExecKind kind = ExecKind::direct;
  HostPath program;             // the ELF file to run
  GuestPath program_guest;      // what /proc/self/exe shows
  HostPath interpreter;         // PT_INTERP's host path
  GuestPath interpreter_guest;
  ElfFacts program_elf, interpreter_elf;
  ContentKey interpreter_key;
  uint32_t mode = 0, uid = 0, gid = 0;  // of the first file named, emulated values, for set-id bits
  // argv[0] is replaced by these words (interpreter of a script, its argument, the script's guest path), in order.
  char prefix[2 * kPathMax];    // NUL-terminated words one after the other
  uint32_t prefix_size = 0;
  uint32_t prefix_count = 0;    // 0: argv stays as it is
};

// `path` relative to `directory` in guest terms. 0 or the -errno of execve (-ENOENT, -EACCES, -ENOEXEC, -ELOOP …).
// `empty_path`: fexecve of `directory` itself.
// `found` is working space.
long plan_exec(const Place& place, Workspace& work, Resolved& found, const class Owners* owners, int directory,
               Text path, Follow follow, bool empty_path, ExecPlan& plan);

}  // namespace udocker::guest
