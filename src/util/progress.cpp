#include "util/progress.hpp"

#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <sys/ioctl.h>
#include <unistd.h>

namespace udocker {

using Clock = std::chrono::steady_clock;

std::string progress_line(std::string_view what, std::uint64_t bytes, std::optional<std::uint64_t> total, std::uint64_t files,
                          double seconds) {
  std::string line = cat(what, "  ", human_size(bytes));
  if (total && *total) line += cat(" of ", human_size(*total), "  ", std::min<std::uint64_t>(100, bytes / (*total / 100 + 1)), "%");
  if (files) line += cat("  ", files, " files");
  if (seconds >= 0.5) line += cat("  ", human_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds)), "/s");
  return line;
}

Progress::Progress(std::string what, std::optional<std::uint64_t> total)
    : what_(printable(what)), total_(total), on_(log::enabled(log::Level::info) && ::isatty(STDERR_FILENO)),
      start_(Clock::now()), last_(start_) {}

Progress::~Progress() { erase(); }

void Progress::add(std::uint64_t bytes, std::uint64_t files) {
  bytes_ += bytes;
  files_ += files;
  if (!on_) return;
  auto now = Clock::now();
  if (now - last_ >= std::chrono::milliseconds(drawn_ ? 100 : 300)) draw(now);
}

static void show(std::string_view text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // a lost line of progress is no loss
}

void Progress::draw(Clock::time_point now) {
  last_ = now;
  std::string line = progress_line(what_, bytes_, total_, files_, std::chrono::duration<double>(now - start_).count());
  winsize size{};
  std::size_t width = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
  if (line.size() > width) line.resize(width);
  show(cat("\r", line, "\033[K"));
  drawn_ = true;
}

void Progress::erase() {
  if (drawn_) show("\r\033[K");
  drawn_ = false;
}

}  // namespace udocker
