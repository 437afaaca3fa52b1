#include "embedded/trap/launch.hpp"

#include "embedded/trap/nested.hpp"
#include "embedded/trap/runtime/abi.hpp"
#include "embedded/trap/runtime/start_words.hpp"
#include "embedded/trap/settings.hpp"
#include "embedded/trap/supervisor.hpp"
#include "guest/exec_plan.hpp"
#include "guest/sys.hpp"
#include "host/self.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"
#include "util/zeroed.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace udocker::trap {
namespace {

// Everything needed to look at the view from outside.
struct Lookup {
  guest::Place place;
  guest::Workspace work;
  guest::Resolved found;
  guest::ExecPlan plan;
};

void enter_workdir(Lookup& look, const std::string& wanted) {
  std::string workdir = wanted;
  if (workdir.empty()) {
    char here[guest::kPathMax];
    if (::getcwd(here, sizeof here)) {
      guest::GuestPath shown;
      if (guest::host_to_guest(*look.place.view, here, shown)) return;  // already inside
    }
    workdir = "/";
  }
  long result = guest::resolve(look.place, look.work, guest::sys::kAtCwd, {workdir.data(), workdir.size()},
                               guest::Follow::yes, look.found);
  if (result < 0) throw SystemError("enter", workdir, static_cast<int>(-result));
  if (::chdir(look.found.host.c_str())) throw_errno("enter", workdir);
}

long plan(Lookup& look, const std::string& name) {
  return guest::plan_exec(look.place, look.work, look.found, nullptr, guest::sys::kAtCwd, {name.data(), name.size()},
                          guest::Follow::yes, false, look.plan);
}

// The guest path by which the program was found; look.plan says how to run it.
std::string find_guest_program(Lookup& look, const std::string& name) {
  long error = -ENOENT;
  if (name.find('/') != std::string::npos) {
    error = plan(look, name);
    if (!error) return name;
  } else {
    const char* path = std::getenv("PATH");
    for (const std::string& folder : split(path ? path : "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", ':')) {
      std::string candidate = cat(folder.empty() ? "." : folder, "/", name);
      long result = plan(look, candidate);
      if (!result) return candidate;
      if (result != -ENOENT && result != -ENOTDIR) error = result;
    }
  }
  throw Error(cat("cannot execute ", name, ": ", std::strerror(static_cast<int>(-error))), error == -ENOENT ? 127 : 126);
}

// Without a folder to keep copies in, or where none are made, the engine works without them (T2).
std::string usable_cache(const std::string& folder) {
  if (folder.empty() || !host::kTrapPatches) return "";
  try {
    make_directories(folder);
    return real_path(folder);
  } catch (const Error& error) {
    log::debug("trap", cat("no patched libraries: ", error.what()));
    return "";
  }
}

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = guest::kMachineX86_64;
#else
constexpr std::uint16_t kMachine = guest::kMachineAarch64;
#endif

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void execute(const Lookup& look, const Shared& shared, const std::string& runtime, const std::string& name,
                          std::vector<std::string> argv, const Settings* outer) {
  auto first = make_zeroed<std::array<char, 64 * 1024>>();
  WordWriter writer(first->data(), first->size());
  auto add_host = [&](guest::Text path) {
    std::string text(path.data, path.size);
    if (outer) text = outer_path(*outer, text);
    writer.add({text.data(), text.size()});
  };
  writer.add({shared.path.data(), shared.path.size()});
  add_host(look.plan.program.text());
  add_host(look.plan.kind == guest::ExecKind::dynamic ? look.plan.interpreter.text() : guest::Text(""));
  writer.add(look.plan.program_guest.text());
  writer.add("/");
  writer.add("");
  writer.add("first");
  if (look.plan.kind == guest::ExecKind::dynamic) writer.add_hex(&look.plan.interpreter_key, sizeof look.plan.interpreter_key);
  else writer.add("");
  if (!writer.end()) throw Error("the program's name is too long");
  std::vector<std::string> words{first->data(), name};
  if (look.plan.prefix_count) {
    const char* word = look.plan.prefix;
    for (std::uint32_t i = 0; i < look.plan.prefix_count; ++i, word += std::strlen(word) + 1) words.emplace_back(word);
    argv.erase(argv.begin());
  }
  for (std::string& word : argv) words.push_back(std::move(word));
  if (!outer) host::exec_program(runtime, words, host::environment());
  auto environment = host::environment();
  int error = execute_outside(*outer, runtime.c_str(), pointers(words).data(), pointers(environment).data());
  throw SystemError("execute", runtime, error);
}

// The outer engine's runtime serves both; the host names it.
RuntimeFile runtime_of(const Settings& outer) { return {reinterpret_cast<const char*>(&outer) + outer.runtime_at, {}}; }

// The number of ROOT's descriptor in the guest's processes: behind those a program may use or expects where the limit
// can be passed for a moment, else the last one of the usual thousand.
int root_number() {
  constexpr rlim_t kUsual = 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < 64) return -1;
  rlim_t number = std::min(limit.rlim_cur, kUsual);
  return static_cast<int>(number < limit.rlim_max ? number : number - 1);
}

// Opens ROOT under the number; without it paths take the long way.
void hold_root(const char* root, int number) {
  UniqueFd opened(::open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened || number < 0) return;
  rlimit limit{}, raised{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  raised = limit;
  raised.rlim_cur = std::max(raised.rlim_cur, static_cast<rlim_t>(number) + 1);
  ::setrlimit(RLIMIT_NOFILE, &raised);
  ::dup2(opened.get(), number);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int launch(const cli::ViewOptions& options, const Folders& folders, const std::vector<std::string>& words) {
  const Settings* outer = find_outer();
  if constexpr (kMachine == guest::kMachineAarch64)
    if (!host::has_trap_addresses())
      throw NotSupported("the trap engine needs 47 bits of addresses, and this kernel gives programs fewer", "use execution mode P1");
  RuntimeFile runtime = outer ? runtime_of(*outer) : unpack_runtime(folders.lib);
  struct StandIns {
    std::string path;
    ~StandIns() { cli::remove_stand_ins(path); }
  } stand_ins;
  std::vector<char> view = cli::make_view(options, &stand_ins.path);
  std::string cache = usable_cache(folders.cache);
  Shared shared = outer ? make_shared(merge_views(*outer, view), runtime.path, outer_path(*outer, cache), outer->root_fd)
                        : make_shared(view, runtime.path, cache, root_number());

  auto look = make_zeroed<Lookup>();
  look->place.view = reinterpret_cast<const guest::View*>(view.data());
  look->place.pid = look->place.tid = ::getpid();
  look->place.self = true;
  enter_workdir(*look, options.workdir);
  std::vector<std::string> argv = options.argv;
  if (argv.empty()) argv = {"/bin/sh", "-l"};
  std::string name = find_guest_program(*look, argv[0]);
  if (!options.argv0.empty()) argv[0] = options.argv0;
  if (look->plan.kind == guest::ExecKind::emulated || !look->plan.program_elf.is_64 ||
      look->plan.program_elf.machine != kMachine) {
    std::vector<std::string> ptrace{"udocker-proot"};
    for (const std::string& word : words)
      if (!word.starts_with("--lib=") && !word.starts_with("--cache=")) ptrace.push_back(word);
    cli::remove_stand_ins(stand_ins.path);  // that engine makes its own
    host::exec_self(ptrace, host::environment());
  }
  auto program = [&] {
    if (!outer) hold_root(look->place.view->root().data, root_number());
    execute(*look, shared, runtime.path, name, argv, outer);
  };
  return supervise(program,
                   options.kill_on_exit ? Leftovers::kill : Leftovers::wait_for);
}

}  // namespace udocker::trap
