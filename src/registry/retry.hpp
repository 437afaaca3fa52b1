// When to try a request again, and after how long.
#pragma once
#include "net/client.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <random>

namespace udocker::registry {

// Lost connections, time-outs, 408, 429, 500, 502, 503, 504.
bool worth_retrying(const net::Response& response);

// Counts the failures of one piece of work. Waits double from half a second, with jitter; Retry-After is obeyed up to
// two minutes: a server that wants more gets its wish by our giving up.
class Backoff {
 public:
  explicit Backoff(int attempts = 5) : attempts_(attempts) {}
  // After a failure: how long to wait; nothing when it is time to give up.
  std::optional<std::chrono::milliseconds> next(const net::Response& response);
  // Something was achieved: start counting again.
  void progress() { failures_ = 0; }

 private:
  int attempts_, failures_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

// Sleeps, in small steps while `cancel` can become true; false when it did.
bool wait_for(std::chrono::milliseconds delay, const std::atomic<bool>* cancel);

// Sends until it succeeds, fails for good, or the back-off gives up; the last reply is returned.
net::Response send_patiently(const net::Client& client, const net::Request& request);

}  // namespace udocker::registry
