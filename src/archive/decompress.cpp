// The decoders behind decompressed(): isa-l (zlib where it is not built), zstd, liblzma, libbz2 each have their door here.
#include "archive/frames.hpp"
#include "archive/stream.hpp"
#include "util/cold_memory.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstring>
#include <thread>

#if __has_include(<isa-l/igzip_lib.h>)
#define UDOCKER_HAS_ISAL 1
#include <isa-l/igzip_lib.h>
#else
#define UDOCKER_HAS_ISAL 0
#include <zlib.h>
#endif

#include <bzlib.h>
#include <lzma.h>
#define ZSTD_STATIC_LINKING_ONLY  // for the memory that a decoder takes
#include <zstd.h>
#include <zstd_errors.h>

namespace udocker::archive {

namespace {

constexpr std::size_t kOut = 256 << 10;
constexpr std::size_t kRelax = 4 << 20;  // bytes made until unused pages of a large window may go

// What one step of a decoder did.
struct Step {
  std::size_t used, made;
  bool end;  // of a member or frame
};

class Decoder : public FrameDecoder {
 public:
  Decoder(std::unique_ptr<Input> from, std::string name) : from_(std::move(from)), name_(std::move(name)), out_(kOut) {}

  std::string_view next() override {
    std::size_t made = 0;
    while (made < out_.size() && !finished_) {
      if (in_.empty() && !input_ended_) {
        in_ = from_->next();
        input_ended_ = in_.empty();
      }
      if (at_start_) {
        if (in_.empty()) {
          finished_ = true;
          break;
        }
        if (!first_ && !goes_on(in_)) {  // padding after the last member
          while (!from_->next().empty()) {}
          finished_ = true;
          break;
        }
        if (!first_) begin();
        at_start_ = first_ = false;
      }
      Step step = run(in_, out_.data() + made, out_.size() - made);
      in_.remove_prefix(step.used);
      made += step.made;
      if (memory_.has_large() && (since_relaxed_ += step.made) >= kRelax) {
        memory_.relax();
        since_relaxed_ = 0;
      }
      if (step.end) at_start_ = true;
      else if (input_ended_ && step.made == 0) bad("it ends in the middle");
    }
    return {out_.data(), made};
  }

  void restart(std::unique_ptr<Input> from) override {
    from_ = std::move(from);
    in_ = {};
    at_start_ = first_ = true;
    input_ended_ = finished_ = false;
  }

 protected:
  virtual Step run(std::string_view in, char* out, std::size_t size) = 0;
  virtual void begin() = 0;  // another member follows
  virtual bool goes_on(std::string_view in) const = 0;
  [[noreturn]] void bad(std::string_view why) const { throw IntegrityError(cat(name_, ": damaged: ", why)); }

  ColdMemory memory_;  // for windows and dictionaries, which may be 128 MiB

 private:
  std::size_t since_relaxed_ = 0;
  std::unique_ptr<Input> from_;
  std::string name_;
  std::vector<char> out_;
  std::string_view in_;
  bool at_start_ = true, first_ = true, input_ended_ = false, finished_ = false;
};

#if UDOCKER_HAS_ISAL

// Intel's decoder: two to three times as fast as zlib, on x86_64 and aarch64.
class GzipDecoder : public Decoder {
 public:
  GzipDecoder(std::unique_ptr<Input> from, std::string name)
      : Decoder(std::move(from), std::move(name)), z_(std::make_unique<inflate_state>()) {
    ::isal_inflate_init(z_.get());
    z_->crc_flag = ISAL_GZIP;
  }

 private:
  Step run(std::string_view in, char* out, std::size_t size) override {
    z_->next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(in.data()));
    z_->avail_in = static_cast<std::uint32_t>(in.size());
    z_->next_out = reinterpret_cast<std::uint8_t*>(out);
    z_->avail_out = static_cast<std::uint32_t>(size);
    int status = ::isal_inflate(z_.get());
    if (status == ISAL_INCORRECT_CHECKSUM) bad("wrong checksum");
    if (status < 0) bad("gzip");
    return {in.size() - z_->avail_in, size - z_->avail_out, z_->block_state == ISAL_BLOCK_FINISH};
  }
  void begin() override {
    ::isal_inflate_reset(z_.get());
    z_->crc_flag = ISAL_GZIP;
  }
  bool goes_on(std::string_view in) const override { return static_cast<unsigned char>(in[0]) == 0x1f; }
  std::unique_ptr<inflate_state> z_;
};

#else

class GzipDecoder : public Decoder {
 public:
  GzipDecoder(std::unique_ptr<Input> from, std::string name) : Decoder(std::move(from), std::move(name)) {
    if (::inflateInit2(&z_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~GzipDecoder() override { ::inflateEnd(&z_); }

 private:
  Step run(std::string_view in, char* out, std::size_t size) override {
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z_.avail_in = static_cast<uInt>(in.size());
    z_.next_out = reinterpret_cast<Bytef*>(out);
    z_.avail_out = static_cast<uInt>(size);
    int status = ::inflate(&z_, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) bad(z_.msg ? z_.msg : "gzip");
    return {in.size() - z_.avail_in, size - z_.avail_out, status == Z_STREAM_END};
  }
  void begin() override { ::inflateReset(&z_); }
  bool goes_on(std::string_view in) const override { return static_cast<unsigned char>(in[0]) == 0x1f; }
  z_stream z_{};
};

#endif

class ZstdDecoder : public Decoder {
 public:
  ZstdDecoder(std::unique_ptr<Input> from, std::string name) : Decoder(std::move(from), std::move(name)) {
    auto allocate = [](void* memory, std::size_t size) { return static_cast<ColdMemory*>(memory)->allocate(size); };
    auto release = [](void* memory, void* block) { static_cast<ColdMemory*>(memory)->release(block); };
    z_ = ::ZSTD_createDCtx_advanced({allocate, release, &memory_});
    if (!z_) throw std::bad_alloc();
    ::ZSTD_DCtx_setParameter(z_, ZSTD_d_windowLogMax, kLargestWindow);
  }
  ~ZstdDecoder() override { ::ZSTD_freeDCtx(z_); }

 private:
  Step run(std::string_view in, char* out, std::size_t size) override {
    ZSTD_inBuffer source{in.data(), in.size(), 0};
    ZSTD_outBuffer target{out, size, 0};
    std::size_t status = ::ZSTD_decompressStream(z_, &target, &source);
    if (::ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge)
      bad(cat("its window is larger than ", (1 << kLargestWindow) >> 20, " MiB"));
    if (::ZSTD_isError(status)) bad(::ZSTD_getErrorName(status));
    return {source.pos, target.pos, status == 0};
  }
  void begin() override {}
  bool goes_on(std::string_view) const override { return true; }
  static constexpr int kLargestWindow = 27;  // what `zstd --long` makes; decoders need not take more (RFC 8878 3.1.1.1.2)
  ZSTD_DCtx* z_;
};

class XzDecoder : public Decoder {
 public:
  XzDecoder(std::unique_ptr<Input> from, std::string name) : Decoder(std::move(from), std::move(name)) {
    allocator_.alloc = [](void* memory, std::size_t count, std::size_t size) { return static_cast<ColdMemory*>(memory)->allocate(count * size); };
    allocator_.free = [](void* memory, void* block) { static_cast<ColdMemory*>(memory)->release(block); };
    allocator_.opaque = &memory_;
    z_.allocator = &allocator_;
    begin();
  }
  ~XzDecoder() override { ::lzma_end(&z_); }

 private:
  Step run(std::string_view in, char* out, std::size_t size) override {
    z_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    z_.avail_in = in.size();
    z_.next_out = reinterpret_cast<std::uint8_t*>(out);
    z_.avail_out = size;
    lzma_ret status = ::lzma_code(&z_, LZMA_RUN);
    if (status == LZMA_MEMLIMIT_ERROR) bad("it needs more memory than is reasonable");
    if (status != LZMA_OK && status != LZMA_STREAM_END && status != LZMA_BUF_ERROR) bad("xz");
    return {in.size() - z_.avail_in, size - z_.avail_out, status == LZMA_STREAM_END};
  }
  void begin() override {
    if (::lzma_stream_decoder(&z_, 256u << 20, 0) != LZMA_OK) throw std::bad_alloc();
  }
  bool goes_on(std::string_view in) const override { return static_cast<unsigned char>(in[0]) == 0xfd; }
  lzma_allocator allocator_{};
  lzma_stream z_ = LZMA_STREAM_INIT;
};

class Bzip2Decoder : public Decoder {
 public:
  Bzip2Decoder(std::unique_ptr<Input> from, std::string name) : Decoder(std::move(from), std::move(name)) {
    if (::BZ2_bzDecompressInit(&z_, 0, 0) != BZ_OK) throw std::bad_alloc();
  }
  ~Bzip2Decoder() override { ::BZ2_bzDecompressEnd(&z_); }

 private:
  Step run(std::string_view in, char* out, std::size_t size) override {
    z_.next_in = const_cast<char*>(in.data());
    z_.avail_in = static_cast<unsigned>(in.size());
    z_.next_out = out;
    z_.avail_out = static_cast<unsigned>(size);
    int status = ::BZ2_bzDecompress(&z_);
    if (status != BZ_OK && status != BZ_STREAM_END) bad("bzip2");
    return {in.size() - z_.avail_in, size - z_.avail_out, status == BZ_STREAM_END};
  }
  void begin() override {
    ::BZ2_bzDecompressEnd(&z_);
    z_ = bz_stream{};
    if (::BZ2_bzDecompressInit(&z_, 0, 0) != BZ_OK) throw std::bad_alloc();
  }
  bool goes_on(std::string_view in) const override { return in[0] == 'B'; }
  bz_stream z_{};
};

// Puts back the pieces that detection has read.
class Rejoined : public Input {
 public:
  Rejoined(std::string start, std::unique_ptr<Input> rest) : start_(std::move(start)), rest_(std::move(rest)) {}
  std::string_view next() override {
    if (!std::exchange(started_, true) && !start_.empty()) return start_;
    return rest_->next();
  }

 private:
  std::string start_;
  std::unique_ptr<Input> rest_;
  bool started_ = false;
};

// Where a frame ends soon, more follow: those are for several decoders.
std::unique_ptr<Input> zstd_decoder(std::string start, std::unique_ptr<Input> from, std::string name, unsigned threads) {
  constexpr std::size_t kSoon = 1 << 20;
  auto make = [name](std::unique_ptr<Input> one) { return std::make_unique<ZstdDecoder>(std::move(one), name); };
  FrameWalk walk;
  bool many = false;
  if (threads > 1) {
    for (std::size_t at = 0; !many && start.size() < kSoon && !walk.is_lost();) {
      at += walk.take(std::string_view(start).substr(at));
      const bool ended = walk.at_end();
      if (at == start.size()) {
        auto more = from->next();
        if (more.empty()) break;
        start += more;
      }
      many = ended;
    }
  }
  auto whole = std::make_unique<Rejoined>(std::move(start), std::move(from));
  if (many) return parallel_frames(std::move(whole), make, threads);
  return make(std::move(whole));
}

}  // namespace

Compression detect_compression(std::string_view start) {
  auto begins = [&](std::string_view magic) { return start.substr(0, magic.size()) == magic; };
  if (begins("\x1f\x8b")) return Compression::gzip;
  if (begins("\x28\xb5\x2f\xfd")) return Compression::zstd;
  if (start.size() >= 4 && (start[0] & 0xf0) == 0x50 && start.substr(1, 3) == "\x2a\x4d\x18") return Compression::zstd;
  if (begins(std::string_view("\xfd\x37\x7a\x58\x5a\x00", 6))) return Compression::xz;
  if (begins("\x42\x5a\x68") && start.size() > 3 && start[3] >= '1' && start[3] <= '9') return Compression::bzip2;
  return Compression::none;
}

unsigned decoder_threads() { return std::clamp(std::thread::hardware_concurrency(), 2u, 4u) - 1; }

std::unique_ptr<Input> decompressed(std::unique_ptr<Input> from, std::string name, unsigned threads) {
  std::string start(from->next());
  while (start.size() < 6) {
    auto more = from->next();
    if (more.empty()) break;
    start += more;
  }
  Compression kind = detect_compression(start);
  if (kind == Compression::zstd) return zstd_decoder(std::move(start), std::move(from), std::move(name), threads);
  auto whole = std::make_unique<Rejoined>(std::move(start), std::move(from));
  switch (kind) {
    case Compression::gzip: return std::make_unique<GzipDecoder>(std::move(whole), std::move(name));
    case Compression::xz: return std::make_unique<XzDecoder>(std::move(whole), std::move(name));
    case Compression::bzip2: return std::make_unique<Bzip2Decoder>(std::move(whole), std::move(name));
    case Compression::zstd:
    case Compression::none: break;
  }
  return whole;
}

}  // namespace udocker::archive
