#include "util/periodic.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace udocker {

TEST(Periodic, RepeatsUntilStopped) {
  std::atomic<int> times = 0;
  Periodic work(std::chrono::milliseconds(1), [&] {
    ++times;
    times.notify_all();
  });
  for (int seen = 0; seen < 3; seen = times) times.wait(seen);
  work.stop();
  const int last = times;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(times, last);
  work.stop();  // once more is nothing
}

TEST(Periodic, EndsBeforeItsFirstTime) {
  int times = 0;
  { Periodic work(std::chrono::hours(1), [&] { ++times; }); }
  EXPECT_EQ(times, 0);
}

}  // namespace udocker
