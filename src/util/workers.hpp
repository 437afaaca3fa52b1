// Threads that do jobs from a bounded queue.
#pragma once
#include "util/team.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <utility>

namespace udocker {

// After the first failure the jobs still waiting are dropped undone. The one user of `add` and `drain` is a single thread.
template <typename Job>
class Workers {
 public:
  using Run = std::function<void(Job&)>;

  // `make_run` is called once in each thread. Jobs on their way are at most `most_jobs` waiting and about `most_cost` in all.
  Workers(unsigned threads, std::size_t most_jobs, std::size_t most_cost, std::function<Run()> make_run)
      : most_jobs_(most_jobs), most_cost_(most_cost), make_run_(std::move(make_run)) {
    threads_.start_many(threads, [this] { work(); });
    if (threads_.empty()) run_here_ = make_run_();
  }
  // Drops the jobs that wait, finishes those begun.
  ~Workers() {
    {
      std::lock_guard hold(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    threads_.join();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Waits for room; throws what went wrong with an earlier job.
  void add(Job job, std::size_t cost = 0) {
    if (run_here_) return run_here_(job);
    std::unique_lock hold(mutex_);
    room_.wait(hold, [this] { return (jobs_.size() < most_jobs_ && cost_ < most_cost_) || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    cost_ += cost;
    jobs_.emplace_back(std::move(job), cost);
    work_.notify_one();
  }

  // Waits until all jobs are done; throws what went wrong with one of them.
  void drain() {
    std::unique_lock hold(mutex_);
    room_.wait(hold, [this] { return jobs_.empty() && running_ == 0; });
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work() {
    Run run = make_run_();
    std::unique_lock hold(mutex_);
    while (true) {
      work_.wait(hold, [this] { return stop_ || !jobs_.empty(); });
      if (stop_) return;
      std::size_t cost = jobs_.front().second;
      std::exception_ptr failure;
      {
        Job job = std::move(jobs_.front().first);
        jobs_.pop_front();
        ++running_;
        bool skip = failure_ != nullptr;
        hold.unlock();
        try {
          if (!skip) run(job);
        } catch (...) {
          failure = std::current_exception();
        }
      }
      hold.lock();
      if (failure && !failure_) failure_ = failure;
      cost_ -= cost;
      --running_;
      room_.notify_one();
    }
  }

  const std::size_t most_jobs_, most_cost_;
  const std::function<Run()> make_run_;
  std::mutex mutex_;
  std::condition_variable work_, room_;
  std::deque<std::pair<Job, std::size_t>> jobs_;
  std::size_t cost_ = 0, running_ = 0;
  bool stop_ = false;
  std::exception_ptr failure_;
  Run run_here_;  // where there may be no threads
  Team threads_;
};

}  // namespace udocker
