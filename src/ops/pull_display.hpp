// What a pull shows while it runs: a line per layer and their sum on a terminal, one Info line per blob elsewhere.
#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace udocker::ops {

class PullDisplay {
 public:
  explicit PullDisplay(std::size_t blobs);
  PullDisplay(const PullDisplay&) = delete;
  PullDisplay& operator=(const PullDisplay&) = delete;
  ~PullDisplay();  // takes its lines away

  // Threads may call all of these. `begin` names a blob in work; the number it returns stands for it in the others.
  std::size_t begin(const std::string& digest, std::optional<std::uint64_t> size, std::uint64_t already);
  void moved_to(std::size_t blob, std::uint64_t offset);
  void end(std::size_t blob);

 private:
  struct Blob {
    std::string digest;
    std::optional<std::uint64_t> size;
    std::uint64_t start = 0, offset = 0;
    bool active = true;
  };
  void draw(bool now);
  void erase(std::string& out);

  std::mutex mutex_;
  std::size_t total_;
  bool on_;
  std::vector<Blob> blobs_;
  std::size_t lines_ = 0;
  std::chrono::steady_clock::time_point start_, last_;
};

// "sha256:0123456789ab  12.3MB of 40.0MB  31%", cut to `width`. Pure.
std::string blob_line(const std::string& digest, std::uint64_t offset, std::optional<std::uint64_t> size, std::size_t width);

}  // namespace udocker::ops
