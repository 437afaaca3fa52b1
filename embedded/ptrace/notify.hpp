// Calls that are answered without being run, taken through a seccomp listener: one wake-up and no register access, less
// than half of a ptrace stop. Needs Linux 5.19; without it the same calls stop by ptrace.
#pragma once
#include <mutex>
#include <thread>
#include <vector>

#include "embedded/ptrace/tracee.hpp"

struct seccomp_notif;

namespace udocker::ptrace {

class Engine;

class Notifier {
 public:
  explicit Notifier(Engine& engine);
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Takes over `listener` (of the first tracee) and serves it until the process ends.
  void start(int listener);

 private:
  void serve();
  void handle(const seccomp_notif& request);
  void reply(uint64_t id, long value);
  void let_run(uint64_t id);
  void open_for(uint64_t id, Tracee& tracee, guest::HostName name, bool same_name, uint32_t type);

  long read_attributes(const guest::Call& call, const guest::Decision& decision);

  Engine& engine_;
  int listener_ = -1;
  std::size_t request_size_ = 0, reply_size_ = 0;
  TraceeMemory memory_;
  std::unique_ptr<guest::Task> task_;
  std::vector<char> attributes_;
};

// Installs the filter with a listener; its descriptor, or -1 when the kernel cannot.
int install_with_listener(const void* program);
bool listener_supported();
// A copy of another process's descriptor; -1 and errno.
int descriptor_of(pid_t pid, int number);

}  // namespace udocker::ptrace
