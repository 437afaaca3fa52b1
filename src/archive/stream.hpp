// Streams of bytes in pieces, and decompression chosen by the first bytes.
#pragma once
#include "util/digest.hpp"
#include "util/fd.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::archive {

class Input {
 public:
  virtual ~Input() = default;
  // The next bytes, at least one; empty at the end. Valid until the next call. Throws SystemError, IntegrityError.
  virtual std::string_view next() = 0;
};

class Output {
 public:
  virtual ~Output() = default;
  virtual void write(std::string_view bytes) = 0;  // all of them; throws SystemError
};

// Reads a descriptor that it owns, or borrows when given a number. `name` is for messages.
class FdInput : public Input {
 public:
  FdInput(UniqueFd fd, std::string name);
  FdInput(int fd, std::string name);
  static std::unique_ptr<FdInput> open(const std::string& path);  // throws SystemError
  std::string_view next() override;

 private:
  UniqueFd owned_;
  int fd_;
  std::string name_;
  std::vector<char> buffer_;
};

class FdOutput : public Output {
 public:
  FdOutput(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  void write(std::string_view bytes) override { write_all(fd_, bytes, name_); }

 private:
  int fd_;
  std::string name_;
};

class TextInput : public Input {
 public:
  explicit TextInput(std::string_view text) : text_(text) {}
  std::string_view next() override { return std::exchange(text_, {}); }

 private:
  std::string_view text_;
};

// Digests what passes through; at the end `check` gets the hexadecimal text (it may throw).
class DigestInput : public Input {
 public:
  DigestInput(std::unique_ptr<Input> from, Hasher::Algorithm algorithm, std::function<void(const std::string&)> check)
      : from_(std::move(from)), hasher_(algorithm), check_(std::move(check)) {}
  std::string_view next() override;
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<Input> from_;
  Hasher hasher_;
  std::function<void(const std::string&)> check_;
  std::uint64_t bytes_ = 0;
};

// Passes an input through a thread of its own, a few pieces ahead. Exceptions arrive at next().
std::unique_ptr<Input> threaded(std::unique_ptr<Input> from);

enum class Compression { none, gzip, zstd, xz, bzip2 };

// By magic bytes; `start` should hold at least 6 bytes when there are as many.
Compression detect_compression(std::string_view start);
// One processor is the caller's: 1 where there are two, 3 at most.
unsigned decoder_threads();
// The bytes of `from` decompressed, whatever it is (several members or frames one after the other too); as they are
// when not compressed. Frames of zstd are decoded by up to `threads` threads at once where a machine has the processors.
// Damaged or cut input throws IntegrityError naming `name`.
std::unique_ptr<Input> decompressed(std::unique_ptr<Input> from, std::string name, unsigned threads = decoder_threads());

}  // namespace udocker::archive
