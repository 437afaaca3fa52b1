#include "archive/frames.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <random>
#include <zstd.h>

namespace udocker::archive {
namespace {

// Gives a text in pieces of a size.
class Pieces : public Input {
 public:
  Pieces(std::string text, std::size_t size) : text_(std::move(text)), size_(size) {}
  std::string_view next() override {
    auto piece = std::string_view(text_).substr(at_, size_);
    at_ += piece.size();
    return piece;
  }

 private:
  std::string text_;
  std::size_t size_, at_ = 0;
};

class Failing : public Input {
 public:
  explicit Failing(std::string text) : text_(std::move(text)) {}
  std::string_view next() override {
    if (std::exchange(given_, true)) throw Error("the wire is cut");
    return text_;
  }

 private:
  std::string text_;
  bool given_ = false;
};

std::string frame_of(const std::string& text, int level = 1, int window_log = 0, bool checksum = true) {
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* z = ::ZSTD_createCCtx();
  ::ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
  ::ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, checksum);
  ::ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, window_log == 0);
  if (window_log) ::ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log);
  std::size_t size = ::ZSTD_compress2(z, out.data(), out.size(), text.data(), text.size());
  ::ZSTD_freeCCtx(z);
  EXPECT_FALSE(::ZSTD_isError(size));
  out.resize(size);
  return out;
}

std::string skippable(std::string content) {
  std::string out = "\x5a\x2a\x4d\x18";
  for (int i = 0; i < 4; ++i) out += static_cast<char>(content.size() >> 8 * i);
  return out + content;
}

std::string text_of(std::mt19937& random, std::size_t size) {
  std::string text(size, '\0');
  const unsigned variety = random() % 3;  // one byte over and over, a few, all
  for (char& c : text) c = static_cast<char>(variety == 0 ? 'a' : variety == 1 ? 'a' + random() % 8 : random());
  return text;
}

std::string read_all(std::unique_ptr<Input> input) {
  std::string all;
  for (auto piece = input->next(); !piece.empty(); piece = input->next()) all += piece;
  EXPECT_TRUE(input->next().empty());
  return all;
}

TEST(Frames, TheirEndsAreFoundInPiecesOfAnySize) {
  std::mt19937 random(1);
  std::string all;
  std::vector<std::size_t> ends;
  for (std::size_t size : {0u, 1u, 200u, 300000u, 5u, 131072u, 131073u}) {
    for (int i = 0; i < 3; ++i) {
      all += i == 2 ? skippable(std::string(size % 1000, 's')) : frame_of(text_of(random, size), 1 + i * 8, i ? 0 : 20, i == 0);
      ends.push_back(all.size());
    }
  }
  for (std::size_t most : {1u, 2u, 3u, 7u, 4096u, 1u << 30}) {
    FrameWalk walk;
    std::vector<std::size_t> got;
    for (std::size_t at = 0; at < all.size();) {
      at += walk.take(std::string_view(all).substr(at, most));
      if (walk.at_end()) got.push_back(at);
    }
    EXPECT_EQ(got, ends) << most;
    EXPECT_FALSE(walk.is_lost());
    EXPECT_GE(walk.window(), 300000u);
  }
  FrameWalk walk;
  EXPECT_EQ(walk.take("no frame of zstd at all"), 23u);
  EXPECT_TRUE(walk.is_lost());
}

TEST(Frames, SeveralDecodersGiveWhatOneGives) {
  std::mt19937 random(2);
  for (int round = 0; round < 8; ++round) {
    std::string text, packed;
    const int frames = round == 0 ? 1 : 1 + static_cast<int>(random() % 40);
    for (int i = 0; i < frames; ++i) {
      auto more = text_of(random, random() % (round % 2 ? 20000 : 1500000));
      text += more;
      if (random() % 4 == 0) packed += skippable("anything");
      packed += frame_of(more, 1, random() % 8 == 0 ? 23 : random() % 2 ? 20 : 0);  // 8 MiB: one at a time from there on
    }
    if (round % 3 == 0) packed += skippable(std::string(70000, 'x'));
    for (unsigned threads : {1u, 2u, 5u}) {
      std::size_t size = 1 + random() % 600000;
      EXPECT_TRUE(read_all(decompressed(std::make_unique<Pieces>(packed, size), "x", threads)) == text) << round << " " << threads;
    }
  }
}

TEST(Frames, DamageIsToldAsByOneDecoder) {
  std::mt19937 random(3);
  std::string packed;
  for (int i = 0; i < 30; ++i) packed += frame_of(text_of(random, 200000));
  auto fails = [&](const std::string& bytes, const std::string& what) {
    for (unsigned threads : {1u, 3u}) {
      try {
        read_all(decompressed(std::make_unique<Pieces>(bytes, 65536), "layer x", threads));
        ADD_FAILURE() << what << " is taken by " << threads;
      } catch (const IntegrityError& e) {
        EXPECT_TRUE(std::string(e.what()).starts_with("layer x: damaged: ")) << e.what();
      }
    }
  };
  fails(packed.substr(0, packed.size() - 1), "a cut checksum");
  fails(packed.substr(0, packed.size() / 2), "half");
  fails(packed + "what is this", "bytes after the last frame");
  for (int i = 0; i < 12; ++i) {
    std::string bad = packed;
    std::size_t at = random() % (bad.size() - 4) + 4;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    std::string ones[2];  // another content size or an unused bit may pass: then it passes for both
    for (unsigned threads : {1u, 3u}) {
      try {
        ones[threads / 3] = read_all(decompressed(std::make_unique<Pieces>(bad, 65536), "x", threads));
      } catch (const IntegrityError&) {
        ones[threads / 3] = "fails";
      }
    }
    EXPECT_TRUE(ones[0] == ones[1]) << at;
  }
}

TEST(Frames, ErrorsOfTheInputArriveAndNothingHangs) {
  std::mt19937 random(4);
  std::string packed;
  for (int i = 0; i < 40; ++i) packed += frame_of(text_of(random, 300000));
  auto cut = decompressed(std::make_unique<Failing>(packed.substr(0, packed.size() / 2)), "x", 3);
  EXPECT_THROW(while (!cut->next().empty()) {}, Error);
  for (int pieces = 0; pieces < 30; pieces += 3) {  // given up early, with decoders at work
    auto input = decompressed(std::make_unique<Pieces>(packed, 100000), "x", 3);
    for (int i = 0; i < pieces; ++i) ASSERT_FALSE(input->next().empty());
  }
}

}  // namespace
}  // namespace udocker::archive
