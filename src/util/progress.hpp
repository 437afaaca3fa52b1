// One line on a terminal that shows how far a long operation is; nothing where stderr is no terminal.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace udocker {

class Progress {
 public:
  // `what` begins the line ("loading app.tar"); `total` is in bytes, when known. Silent below level info.
  explicit Progress(std::string what, std::optional<std::uint64_t> total = {});
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // takes the line away

  // Cheap: draws at most ten times a second.
  void add(std::uint64_t bytes, std::uint64_t files = 0);

 private:
  void draw(std::chrono::steady_clock::time_point now);
  void erase();

  std::string what_;
  std::optional<std::uint64_t> total_;
  std::uint64_t bytes_ = 0, files_ = 0;
  bool on_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

// "loading app.tar  12.3MB of 40.0MB  31%  98.1MB/s". Pure.
std::string progress_line(std::string_view what, std::uint64_t bytes, std::optional<std::uint64_t> total, std::uint64_t files,
                          double seconds);

}  // namespace udocker
