// Calls that are answered without being run, taken through a seccomp listener: one wake-up and no register access, less
// than half of a ptrace stop. Needs Linux 5.19; without it the same calls stop by ptrace.
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "embedded/ptrace/tracee.hpp"

struct seccomp_notif;

namespace udocker::ptrace {

class Engine;

class Notifier {
 public:
  explicit Notifier(Engine& engine) : engine_(engine) {}
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Takes over `listener` (of the first tracee) and serves it until the process ends.
  void start(int listener);

 private:
  // A thread that serves. The first always does; others help when calls arrive faster than they are answered, and sleep
  // otherwise: the kernel wakes whoever waits for a call, all of them for each.
  struct Server {
    TraceeMemory memory;
    guest::Task task;
    std::vector<char> attributes;
    bool helps = false;
    unsigned calls = 0, alone = 0;  // alone: calls in a row that no other server was busy beside
  };

  // What a call comes to.
  struct Outcome {
    enum class Kind : uint8_t { value, run, descriptor, later } kind = Kind::value;  // run: by the kernel; later: another thread tells
    long value = 0;   // result, -errno, or the descriptor of ours to give
    int flags = 0;    // O_CLOEXEC for that
  };

  static Outcome open_file(guest::HostName name, int flags);
  void tell(uint64_t id, Outcome outcome) const;
  std::unique_ptr<Server> make_server() const;
  bool launch(bool helps);
  void serve(Server& server);
  bool another_waits() const;
  void call_help();
  void rest(Server& server);
  Outcome handle(Server& server, const seccomp_notif& request);
  Outcome open_for(const seccomp_notif& request, guest::HostName name, int flags, bool same_name, uint32_t type);
  bool ask_to_open(pid_t tid);

  static long read_attributes(Server& server, const guest::Call& call, const guest::Decision& decision);

  Engine& engine_;
  int listener_ = -1;
  std::size_t request_size_ = 0;
  std::atomic<unsigned> busy_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  unsigned helpers_ = 0, asleep_ = 0, wanted_ = 0;  // under mutex_; wanted_ of those asleep are to wake up
};

// Installs the filter with a listener; its descriptor, or -1 when the kernel cannot.
int install_with_listener(const void* program);
bool listener_supported();
// A copy of another process's descriptor; -1 and errno.
int descriptor_of(pid_t pid, int number);

}  // namespace udocker::ptrace
