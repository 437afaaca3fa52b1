// The tracer: runs one command and everything it starts under a view.
#pragma once
#include <csignal>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include <sys/resource.h>

#include "embedded/ptrace/guest_tracing.hpp"
#include "embedded/ptrace/registers.hpp"
#include "embedded/ptrace/tracee.hpp"
#include "guest/filter.hpp"
#include "guest/view.hpp"
#include "util/fd.hpp"
#include "util/zeroed.hpp"

namespace udocker::ptrace {

// What every tracee is traced with; the two options that a guest tracer may add; and one it may ask for.
inline constexpr long kTraceOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                                      PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
inline constexpr uint32_t kOwnOptions = PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT;
inline constexpr uint32_t kExitKill = PTRACE_O_EXITKILL;

struct EngineOptions {
  std::vector<std::string> argv;  // argv[0] is looked up in the guest's PATH
  std::string workdir;            // guest path; empty: the current one, or "/"
  std::string emulator;           // host path; empty: none
  std::vector<std::string> emulator_args;
  bool seccomp = true;
  bool listen = true;             // take calls that need no run through a seccomp listener where there is one
  bool kill_on_exit = false;
  bool trust_owners = false;      // the view's owner store was made for this root
  bool place_tracees = true;      // keep busy tracees on the engine's CPU
};

class Engine {
 public:
  Engine(const guest::View& view, EngineOptions options);
  ~Engine();
  // Runs the command to its end; its exit status, 128+n when a signal ended it. Throws Error when it cannot start.
  int run();

 private:
  friend class Placement;
  friend class Notifier;
  friend class GuestTracing;
  void start();
  [[noreturn]] void child(const std::string& program, int gate, int report);
  std::string find_program(int* error);
  void check_start();
  void take_listener(pid_t pid, int number);
  void loop();
  void on_stop(Tracee& tracee, int status, const rusage& usage);
  void on_signal_stop(Tracee& tracee, int signal);
  void on_new_child(Tracee& parent, int event);
  void on_exec(Tracee& tracee);
  void on_entry(Tracee& tracee);
  void replace_copies(Tracee& tracee, const guest::Row& row, TraceeMemory& memory);
  void on_exit(Tracee& tracee);
  void leave_call(Tracee& tracee);
  void run_to_exit(Tracee& tracee);
  void on_gone(pid_t tid, int status);
  void adopt_orphans(const Tracee& last);
  void run_exec(Tracee& tracee, Registers& registers);
  void engine_call(Tracee& tracee, Registers& registers);
  bool scratch_ready(Tracee& tracee, Registers& registers);
  void insert_call(Tracee& tracee, const Registers& registers, Tracee::Inserted what, long number, const uint64_t (&arguments)[6]);
  void insert_filter(Tracee& tracee, const Registers& registers, Tracee::Inserted what, const std::vector<sock_filter>& program);
  bool senders_ready(Tracee& tracee, const Registers& registers);
  bool ids_ready(Tracee& tracee, const Registers& registers, bool others);
  bool on_id_stop(Tracee& tracee);
  void show_own_id(Tracee& tracee);
  bool on_open_stop(Tracee& tracee);
  void on_open_entry(Tracee& tracee);
  void apply(Tracee& tracee, Registers& registers);
  void answer(Tracee& tracee, Registers& registers, long value);
  void keep_extra(int fd, const guest::Row& row);
  void inherit(Tracee& child, const Tracee& parent, uint64_t flags);
  Tracee& find_or_add(pid_t tid);
  void resume(Tracee& tracee, int signal = 0);
  void set_clock();
  void prepare_task(Tracee& tracee, const Registers& registers);
  static bool program_of(void* context, int pid, guest::GuestPath& out);
  static long auxv_of(void* context, int pid, char* out, size_t capacity);
  static bool listing_ended(void* context, int descriptor);
  static bool identity_of(void* context, int pid, guest::Identity& out);

  const guest::View& view_;
  EngineOptions options_;
  guest::FilterSpec filter_;
  std::unordered_map<pid_t, std::unique_ptr<Tracee>> tracees_;
  Tracee* last_ = nullptr;
  pid_t main_ = 0;
  int status_ = 0;
  bool main_gone_ = false;
  bool old_order_ = false;
  int stub_fds_[2] = {-1, -1};    // the 32-bit one second
  int report_fd_ = -1;
  std::string stub_paths_[2];
  struct Kept {
    std::vector<int> descriptors;
    std::size_t next = 0;
  };
  Kept kept_[2];  // descriptors that tracees reach through /proc: for one call, and in names of sockets
  TraceeMemory memory_;
  guest::Owners owners_;
  UniqueFd root_;
  Zeroed<guest::Shared> shared_;
  Zeroed<guest::Task> task_;
  std::unordered_map<pid_t, std::vector<int>> listed_;  // directory descriptors whose added entries were given
  GuestTracing guest_tracing_{*this};
  std::unique_ptr<class Placement> placement_;
  std::unique_ptr<class Notifier> notifier_;
  std::mutex mutex_;  // held while a stop or a notification is served
};

inline constexpr unsigned long kSpecAllow = 4;  // SECCOMP_FILTER_FLAG_SPEC_ALLOW: the program trusts itself
inline constexpr long kStartAgain = 512;        // ERESTARTSYS, the first of its kind

// True when the kernel takes filters with flags (3.17; kSpecAllow 4.17).
bool filters_are_known();
// True when the kernel reports seccomp stops before the syscall-entry stop (before 4.8): found by trying.
bool probe_old_order();

}  // namespace udocker::ptrace
