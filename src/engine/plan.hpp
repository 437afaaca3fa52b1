// A run as a plain value: what ops::run decides and an engine carries out. No store, no settings.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace udocker::engine {

enum class Mode { P1, P2, T1, T2, F1, F2, F3, F4, R1, R2, R3, S1 };
enum class Family { ptrace, trap, preload, launcher, apptainer };

std::optional<Mode> find_mode(std::string_view text);  // "P1" or "p1"
std::string_view mode_name(Mode mode);                 // "P1"
Family family_of(Mode mode);
char family_letter(Mode mode);  // 'P' …
// All mode names, for messages and help: "P1 P2 T1 …".
std::string mode_names();

enum class Access { read_write, read_only };

// A file or directory of the host shown at a path of the container.
struct Bind {
  std::string host;   // absolute, exists
  std::string guest;  // absolute, normalised, not "/"
  Access access = Access::read_write;
  bool listed = true;  // P, T and F modes: listings show the name where ROOT lacks it, which slows all listings down
};

struct Port {
  int host = 0, container = 0;
};

struct RunPlan {
  Mode mode = Mode::P1;
  std::string container_dir;  // CDIR; empty with --location
  std::string id;             // container id; the base name of the root with --location
  std::string root;           // host path of ROOT, absolute
  std::vector<std::string> argv;         // argv[0] as the program shall see it
  std::string executable;                // guest path of the program (argv[0] resolved by PATH)
  std::vector<std::string> environment;  // K=V of the guest, complete
  std::string workdir = "/";             // guest path
  std::vector<Bind> binds;               // in order; a later one wins over the same target
  uid_t uid = 0;  // ids the program shall see
  gid_t gid = 0;
  std::string user_name, user_home;
  std::string hostname, domainname;  // empty: the host's
  std::string first_library_dir;         // F modes: a host directory that the loader searches before all others
  std::vector<std::string> devices;  // paths under /dev for R modes: "/dev/x[:/dev/y[:rwm]]"
  std::string kernel_release;        // empty: the host's
  std::vector<Port> ports;
  bool publish_all = false;  // every listening port becomes a free one
  bool netcoop = false;
  bool kill_on_exit = true;
  bool link_to_symlink = false;
  bool read_only_root = false;
  bool allow_static = false;  // F modes: static programs run although nothing confines them
  bool pid_of_host = false, ipc_of_host = false;  // R modes: no namespace of its own for these
  std::string user_namespace;                     // R modes: the path of one to join; empty: a new one
  bool seccomp = true;       // false: the ptrace engine stops at every call (P2, R3 or by setting)
  std::string qemu;          // host path of the emulator for foreign programs; empty: none
  std::string cache_dir;     // where an engine may keep files it unpacks or patches (TOP/lib); may be unwritable
  std::string tmp_dir;
  int verbosity = 3;
  std::string host_executable;  // use_*_executable: run this PRoot/runc/apptainer of the host; empty: our own
  std::vector<std::string> host_executable_options;  // singularity_options
};

// What to execute: a program of the host, or (empty) our own of the name argv[0].
struct Launch {
  std::string program;
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::string directory;      // working directory on the host; empty: unchanged
  std::vector<int> keep_fds;  // descriptors the launch needs; they are open and inheritable
};

// A bind as our front ends take it behind -b.
std::string bind_argument(const Bind& bind);
// The options shared by our ptrace, trap and preload front ends (src/cli/view_options.hpp), up to `-r ROOT -w DIR`.
std::vector<std::string> view_arguments(const RunPlan& plan);

// One per engine, in its own file. Throws NotSupported with the mode that can when this host cannot.
Launch plan_ptrace(const RunPlan& plan);
Launch plan_trap(const RunPlan& plan);
Launch plan_preload(const RunPlan& plan);
Launch plan_launcher(const RunPlan& plan);
Launch plan_apptainer(const RunPlan& plan);
Launch plan_launch(const RunPlan& plan);  // picks by plan.mode

}  // namespace udocker::engine
