// Work that is done again and again beside the rest.
#pragma once
#include "util/team.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

namespace udocker {

// Does the work each time an interval is over, in a thread of its own, until it is stopped or goes; the first interval
// comes before the first time. Where there may be no thread, never.
class Periodic {
 public:
  Periodic(std::chrono::milliseconds interval, std::function<void()> work) {
    thread_.start([this, interval, work = std::move(work)] { run(interval, work); });
  }
  ~Periodic() { stop(); }
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

  // The work is not under way any more when this returns.
  void stop() {
    {
      std::lock_guard guard(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  void run(std::chrono::milliseconds interval, const std::function<void()>& work) {
    std::unique_lock guard(mutex_);
    while (!wake_.wait_for(guard, interval, [this] { return ended_; })) {
      guard.unlock();
      work();
      guard.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  Team thread_;
};

}  // namespace udocker
