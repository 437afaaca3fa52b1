#include "ops/pull_display.hpp"

#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <sys/ioctl.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

using std::chrono::steady_clock;

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col - 1u : 79u;
}

void put(std::string_view text) {
  while (!text.empty()) {
    ssize_t done = ::write(STDERR_FILENO, text.data(), text.size());
    if (done <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

}  // namespace

std::string blob_line(const std::string& digest, std::uint64_t offset, std::optional<std::uint64_t> size, std::size_t width) {
  std::string line = cat(digest.substr(0, digest.find(':') + 13), "  ", human_size(offset));
  if (size) line += cat(" of ", human_size(*size), "  ", *size ? offset * 100 / *size : 100, "%");
  if (line.size() > width) line.resize(width);
  return line;
}

PullDisplay::PullDisplay(std::size_t blobs) : total_(blobs), on_(::isatty(STDERR_FILENO) && log::enabled(log::Level::info)), start_(steady_clock::now()) {}

PullDisplay::~PullDisplay() {
  std::string out;
  erase(out);
  put(out);
}

std::size_t PullDisplay::begin(const std::string& digest, std::optional<std::uint64_t> size, std::uint64_t already) {
  std::lock_guard lock(mutex_);
  if (!on_) log::info(cat("downloading layer ", digest));
  blobs_.push_back({digest, size, already, already, true});
  draw(true);
  return blobs_.size() - 1;
}

void PullDisplay::moved_to(std::size_t blob, std::uint64_t offset) {
  if (!on_) return;
  std::lock_guard lock(mutex_);
  blobs_[blob].offset = offset;
  blobs_[blob].start = std::min(blobs_[blob].start, offset);
  draw(false);
}

void PullDisplay::end(std::size_t blob) {
  std::lock_guard lock(mutex_);
  blobs_[blob].active = false;
  draw(true);
}

void PullDisplay::erase(std::string& out) {
  for (; lines_ > 0; --lines_) out += "\x1b[1A\x1b[2K";
}

void PullDisplay::draw(bool now) {
  auto time = steady_clock::now();
  if (!on_ || (!now && time - last_ < std::chrono::milliseconds(100))) return;
  last_ = time;
  std::size_t width = terminal_width(), done = 0;
  std::uint64_t sum = 0, fetched = 0;
  std::string out;
  erase(out);
  for (const auto& blob : blobs_) {
    sum += blob.offset;
    fetched += blob.offset - blob.start;
    if (!blob.active) {
      ++done;
      continue;
    }
    out += blob_line(blob.digest, blob.offset, blob.size, width) + "\n";
    ++lines_;
  }
  double seconds = std::max(0.1, std::chrono::duration<double>(time - start_).count());
  std::string line = cat("pulled ", human_size(sum), ", ", done, " of ", total_, " blobs done, ",
                         human_size(static_cast<std::uint64_t>(static_cast<double>(fetched) / seconds)), "/s");
  if (line.size() > width) line.resize(width);
  out += line + "\n";
  ++lines_;
  put(out);
}

}  // namespace udocker::ops
