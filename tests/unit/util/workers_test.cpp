#include "util/workers.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>

namespace udocker {
namespace {

TEST(Workers, DoEveryJobOnce) {
  std::atomic<int> sum{0};
  Workers<int> workers(3, 4, 10, [&] { return [&](int& job) { sum += job; }; });
  for (int i = 1; i <= 100; ++i) workers.add(i, 5);
  workers.drain();
  EXPECT_EQ(sum, 5050);
  workers.add(1);
  workers.drain();
  EXPECT_EQ(sum, 5051);
}

TEST(Workers, ADearJobDoesNotWaitForEver) {
  std::atomic<int> done{0};
  Workers<int> workers(2, 4, 10, [&] { return [&](int&) { ++done; }; });
  for (int i = 0; i < 10; ++i) workers.add(i, 1000);
  workers.drain();
  EXPECT_EQ(done, 10);
}

TEST(Workers, GiveTheFirstFailureAndDropTheRest) {
  std::atomic<int> done{0};
  Workers<int> workers(1, 100, SIZE_MAX, [&] {
    return [&](int& job) {
      if (job == 3) throw Error("job 3 is broken");
      ++done;
    };
  });
  try {
    for (int i = 0; i < 50; ++i) workers.add(i);
    workers.drain();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "job 3 is broken");
  }
  EXPECT_EQ(done, 3);
}

TEST(Workers, EndWithoutDoingWhatWaits) {
  std::atomic<int> done{0};
  {
    Workers<int> workers(1, 1000, SIZE_MAX, [&] {
      return [&](int&) {
        ++done;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      };
    });
    for (int i = 0; i < 1000; ++i) workers.add(i);
  }
  EXPECT_LT(done, 1000);
}

}  // namespace
}  // namespace udocker
