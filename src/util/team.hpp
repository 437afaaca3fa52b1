// Threads that help this one.
#pragma once
#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace udocker {

// Joined at the latest when it goes.
class Team {
 public:
  Team() = default;
  ~Team() { join(); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // False where the user or the job may have no more threads (RLIMIT_NPROC, a cgroup's pids.max) or memory for one: the
  // work is then for those that there are, at least for the caller.
  bool start(std::function<void()> work) {
    try {
      threads_.emplace_back(std::move(work));
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }
  // Starts the same work up to `count` times.
  void start_many(unsigned count, const std::function<void()>& work) {
    while (count-- > 0 && start(work)) {}
  }
  void join() {
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }
  bool empty() const { return threads_.empty(); }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace udocker
