// Frames of a zstd stream decoded at the same time. They do not depend on each other (RFC 8878 3.1); pzstd, zstd:chunked
// and the seekable format write many of them, `zstd` itself one.
#pragma once
#include "archive/stream.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace udocker::archive {

// Finds where frames end by their headers and those of their blocks; the bytes may come in pieces of any size.
class FrameWalk {
 public:
  // How many of `bytes`, which go on where the last call ended, are of the frame under way: all, or up to its end.
  std::size_t take(std::string_view bytes);
  bool at_end() const { return stage_ == Stage::between; }  // of a frame
  bool is_lost() const { return stage_ == Stage::lost; }    // this is no frame: all that follows is taken as one
  std::uint64_t window() const { return window_; }          // the largest seen, in bytes

 private:
  enum class Stage { between, frame_header, block_header, content, lost };
  void parse();

  Stage stage_ = Stage::between;
  std::string header_;
  std::uint64_t skip_ = 0, window_ = 0;
  bool last_ = false, checksum_ = false;
};

// A decoder that takes another input when it has come to the end of one: its memory serves again.
class FrameDecoder : public Input {
 public:
  virtual void restart(std::unique_ptr<Input> from) = 0;
};
using MakeDecoder = std::function<std::unique_ptr<FrameDecoder>(std::unique_ptr<Input>)>;

// What make(from) gives, but with up to `threads` decoders at work, each on a run of whole frames. Holds up to 6 MiB and
// 4 for each decoder, besides what decoders take. Errors come as they would from one decoder.
std::unique_ptr<Input> parallel_frames(std::unique_ptr<Input> from, MakeDecoder make, unsigned threads);

}  // namespace udocker::archive
