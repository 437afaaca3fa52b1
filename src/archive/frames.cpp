#include "archive/frames.hpp"

#include "util/team.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#define ZSTD_STATIC_LINKING_ONLY  // for what a frame header says
#include <zstd.h>

namespace udocker::archive {

namespace {

constexpr std::size_t kSection = 512 << 10;   // compressed bytes after which the next frame is another decoder's
constexpr std::size_t kMostIn = 6u << 20;      // compressed bytes that wait for all decoders
constexpr std::size_t kMostOut = 4u << 20;     // decoded ones that wait in a section
constexpr std::uint64_t kWindow = 4u << 20;   // with larger ones several decoders would take too much memory

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// A run of whole frames on its way through a decoder.
struct Section {
  std::deque<std::string> in, out;
  std::size_t out_bytes = 0;
  bool whole = false;  // nothing more is put in
  bool done = false;   // nothing more comes out
  std::exception_ptr failure;
};

// The caller cuts the input into sections while it waits for the first of them.
class ParallelFrames : public Input {
 public:
  ParallelFrames(std::unique_ptr<Input> from, MakeDecoder make, unsigned threads)
      : from_(std::move(from)), make_(std::move(make)), most_(threads + 1) {
    threads_.start_many(threads, [this] { work(); });
    if (threads_.empty()) alone_ = make_(std::move(from_));
  }
  ~ParallelFrames() override {
    {
      std::lock_guard hold(mutex_);
      stop_ = true;
    }
    to_do_.notify_all();
    threads_.join();
  }

  std::string_view next() override {
    if (alone_) return alone_->next();
    std::unique_lock hold(mutex_);
    if (!given_.empty()) spare_.push_back(std::exchange(given_, {}));
    while (true) {
      if (!sections_.empty()) {
        Section& first = *sections_.front();
        if (!first.out.empty()) {
          given_ = std::move(first.out.front());
          first.out.pop_front();
          if (first.out_bytes >= kMostOut) to_do_.notify_all();
          first.out_bytes -= given_.size();
          return given_;
        }
        if (first.failure) std::rethrow_exception(first.failure);
        if (first.done && first.whole) {
          sections_.pop_front();
          --claimed_;
          continue;
        }
      } else if (ended_) {
        return {};
      }
      if (may_read()) {
        hold.unlock();
        if (piece_.empty()) piece_ = from_->next();
        hold.lock();
        put_in();
      } else {
        news_.wait(hold);
      }
    }
  }

 private:
  bool is_open() const { return !sections_.empty() && !sections_.back()->whole; }
  bool may_read() const {
    if (ended_) return false;
    if (is_open()) return sections_.back()->done || sections_.back()->in.empty() || waiting_ < kMostIn;
    return sections_.size() < (walk_.window() > kWindow ? 1 : most_);
  }

  // Gives the section under way what is its own of the piece.
  void put_in() {
    ended_ = piece_.empty();
    if (!is_open()) {
      if (ended_) return;
      sections_.push_back(std::make_shared<Section>());
      cut_ = 0;
    }
    Section& section = *sections_.back();
    std::string_view rest = piece_;
    while (!rest.empty() && !section.whole) {
      std::size_t took = walk_.take(rest);
      rest.remove_prefix(took);
      cut_ += took;
      section.whole = walk_.at_end() && cut_ >= kSection;
    }
    std::string_view taken = piece_.substr(0, piece_.size() - rest.size());
    piece_ = rest;
    section.whole = section.whole || ended_;
    if (!section.done && !taken.empty()) {
      section.in.emplace_back(taken);
      waiting_ += taken.size();
    }
    to_do_.notify_all();
  }

  // What a decoder reads.
  class SectionInput : public Input {
   public:
    SectionInput(ParallelFrames& all, std::shared_ptr<Section> section) : all_(all), held_(std::move(section)), section_(*held_) {}
    std::string_view next() override {
      std::unique_lock hold(all_.mutex_);
      all_.to_do_.wait(hold, [this] { return !section_.in.empty() || section_.whole || all_.stop_; });
      if (section_.in.empty()) return {};
      piece_ = std::move(section_.in.front());
      section_.in.pop_front();
      all_.waiting_ -= piece_.size();
      all_.news_.notify_one();
      return piece_;
    }

   private:
    ParallelFrames& all_;
    std::shared_ptr<Section> held_;
    Section& section_;
    std::string piece_;
  };

  void work() {
    std::unique_ptr<FrameDecoder> decoder;
    std::unique_lock hold(mutex_);
    while (true) {
      to_do_.wait(hold, [this] { return stop_ || claimed_ < sections_.size(); });
      if (stop_) return;
      auto section = sections_[claimed_++];
      hold.unlock();
      std::exception_ptr failure;
      try {
        auto input = std::make_unique<SectionInput>(*this, section);
        if (decoder) decoder->restart(std::move(input));
        else decoder = make_(std::move(input));
        decode(*decoder, *section);
      } catch (...) {
        failure = std::current_exception();
        decoder.reset();
      }
      hold.lock();
      section->failure = failure;
      section->done = true;
      for (const auto& left : section->in) waiting_ -= left.size();
      section->in.clear();
      news_.notify_one();
    }
  }

  void decode(Input& decoder, Section& section) {
    for (auto piece = decoder.next(); !piece.empty(); piece = decoder.next()) {
      std::unique_lock hold(mutex_);
      to_do_.wait(hold, [&] { return section.out_bytes < kMostOut || stop_; });
      if (stop_) return;
      std::string copy;
      if (!spare_.empty()) {
        copy = std::move(spare_.back());
        spare_.pop_back();
      }
      hold.unlock();
      copy.assign(piece);
      hold.lock();
      section.out_bytes += copy.size();
      section.out.push_back(std::move(copy));
      if (sections_.front().get() == &section) news_.notify_one();
    }
  }

  std::unique_ptr<Input> from_, alone_;
  MakeDecoder make_;
  const std::size_t most_;  // sections
  std::string_view piece_;  // of the input, not yet in a section
  FrameWalk walk_;
  std::size_t cut_ = 0;  // bytes in the section under way
  std::string given_;

  std::mutex mutex_;
  std::condition_variable news_, to_do_;  // for the caller; for the decoders
  std::deque<std::shared_ptr<Section>> sections_;  // in the order of the input
  std::size_t claimed_ = 0;                        // of them, from the first, have a decoder
  std::size_t waiting_ = 0;                        // bytes of input in all of them
  std::vector<std::string> spare_;
  bool ended_ = false, stop_ = false;
  Team threads_;
};

}  // namespace

std::size_t FrameWalk::take(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (stage_ == Stage::lost) return bytes.size();
    if (stage_ == Stage::content) {
      std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size() - at));
      skip_ -= part;
      at += part;
    } else {
      if (stage_ == Stage::between) stage_ = Stage::frame_header;
      header_ += bytes[at++];
      parse();
    }
    if (stage_ == Stage::content && skip_ == 0) stage_ = last_ ? Stage::between : Stage::block_header;
    if (stage_ == Stage::between) return at;
  }
  return at;
}

// Goes on when the header is whole.
void FrameWalk::parse() {
  if (stage_ == Stage::block_header) {  // RFC 8878 3.1.1.2
    if (header_.size() < 3) return;
    std::uint32_t value = little_endian(header_);
    unsigned type = value >> 1 & 3;
    last_ = value & 1;
    skip_ = (type == 1 ? 1 : value >> 3) + (last_ && checksum_ ? 4 : 0);
    stage_ = type == 3 ? Stage::lost : Stage::content;
    header_.clear();
    return;
  }
  if (header_.size() < ZSTD_FRAMEHEADERSIZE_MIN(ZSTD_f_zstd1)) return;
  ZSTD_frameHeader frame;
  std::size_t status = ::ZSTD_getFrameHeader(&frame, header_.data(), header_.size());
  if (status != 0 && !::ZSTD_isError(status)) return;  // needs more
  if (::ZSTD_isError(status)) {
    stage_ = Stage::lost;
  } else if (frame.frameType == ZSTD_skippableFrame) {
    last_ = true;
    skip_ = frame.frameContentSize;
    stage_ = Stage::content;
  } else {
    checksum_ = frame.checksumFlag != 0;
    window_ = std::max<std::uint64_t>(window_, frame.windowSize);
    stage_ = Stage::block_header;
  }
  header_.clear();
}

std::unique_ptr<Input> parallel_frames(std::unique_ptr<Input> from, MakeDecoder make, unsigned threads) {
  return std::make_unique<ParallelFrames>(std::move(from), std::move(make), threads);
}

}  // namespace udocker::archive
