#include "archive/foreign.hpp"

#include "archive/tar.hpp"
#include "util/error.hpp"

#include <gtest/gtest.h>

namespace udocker::archive {

namespace {

class Pieces : public Input {
 public:
  Pieces(std::string text, std::size_t piece) : text_(std::move(text)), piece_(piece) {}
  std::string_view next() override {
    auto part = std::string_view(text_).substr(at_, piece_);
    at_ += part.size();
    return part;
  }

 private:
  std::string text_;
  std::size_t piece_, at_ = 0;
};

class Text : public Output {
 public:
  void write(std::string_view bytes) override { all += bytes; }
  std::string all;
};

std::string all_of(Input& input) {
  std::string all;
  for (auto piece = input.next(); !piece.empty(); piece = input.next()) all += piece;
  return all;
}

std::string odc(const std::string& name, unsigned mode, const std::string& data) {
  char head[77];
  std::snprintf(head, sizeof head, "070707%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o", 1, 2, mode, 0, 0, 1, 0, 0,
                static_cast<unsigned>(name.size() + 1), static_cast<unsigned>(data.size()));
  return head + name + std::string(1, '\0') + data;
}

}  // namespace

TEST(ForeignArchive, LeavesTarAsItIs) {
  Text out;
  TarWriter tar(out);
  tar.add_file("a", "content");
  tar.finish();
  for (std::size_t piece : {1, 100, 511, 512, 100000}) {
    auto stream = as_tar(std::make_unique<Pieces>(out.all, piece), "x", ::testing::TempDir(), 0);
    EXPECT_FALSE(stream.converted);
    EXPECT_EQ(all_of(*stream.input), out.all);
  }
}

TEST(ForeignArchive, ConvertsCpio) {
  std::string cpio = odc("d", 040755, "") + odc("d/f", 0100640, "hello") + odc("d/l", 0120777, "f") + odc("TRAILER!!!", 0, "");
  cpio.resize((cpio.size() + 511) / 512 * 512);
  auto stream = as_tar(std::make_unique<Pieces>(cpio, 7), "x.cpio", ::testing::TempDir(), 0);
  EXPECT_TRUE(stream.converted);
  TarReader reader(*stream.input, "x");
  Entry entry;
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(entry.type, Entry::Type::directory);
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(entry.path, "d/f");
  EXPECT_EQ(entry.mode, 0640u);
  EXPECT_EQ(reader.text(entry, 100), "hello");
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(entry.type, Entry::Type::symbolic_link);
  EXPECT_EQ(entry.link, "f");
  EXPECT_FALSE(reader.next(entry));
}

TEST(ForeignArchive, KeepsToALimit) {
  std::string cpio = odc("f", 0100640, std::string(100'000, 'x')) + odc("TRAILER!!!", 0, "");
  EXPECT_THROW(as_tar(std::make_unique<Pieces>(cpio, 512), "x", ::testing::TempDir(), 100'000), Error);
  EXPECT_TRUE(as_tar(std::make_unique<Pieces>(cpio, 512), "x", ::testing::TempDir(), 110'000).converted);
}

TEST(ForeignArchive, RefusesNoise) {
  EXPECT_THROW(as_tar(std::make_unique<Pieces>(std::string(5000, 'x'), 4096), "noise", ::testing::TempDir(), 0), IntegrityError);
  EXPECT_THROW(as_tar(std::make_unique<Pieces>("#mtree\n./f type=file contents=/etc/passwd\n", 4096), "x", ::testing::TempDir(), 0), IntegrityError);
}

TEST(TarWriter, WritesHolesThatTheReaderFinds) {
  for (bool hole_at_end : {false, true}) {
    Text out;
    TarWriter tar(out);
    Entry entry;
    entry.path = "dir/" + std::string(150, 'n');
    entry.size = hole_at_end ? 5'000'000'000 : 4'000'000'004;
    entry.sparse = true;
    entry.segments = {{1000, 3}, {4'000'000'000, 4}};
    tar.add(entry);
    tar.write("abc");
    tar.write("defg");
    tar.add_file("after", "x");
    tar.finish();
    EXPECT_EQ(out.all.size() % 512, 0u);
    TextInput input(out.all);
    TarReader reader(input, "x");
    Entry got;
    ASSERT_TRUE(reader.next(got));
    EXPECT_EQ(got.path, entry.path);
    EXPECT_EQ(got.size, entry.size);
    ASSERT_TRUE(got.sparse);
    std::string data;
    for (auto part = reader.data(); !part.empty(); part = reader.data()) data += part;
    EXPECT_EQ(data, "abcdefg");
    std::uint64_t first = got.segments[0].first;
    EXPECT_EQ(first, 1000u);
    ASSERT_TRUE(reader.next(got));
    EXPECT_EQ(got.path, "after");
    EXPECT_EQ(reader.text(got, 10), "x");
  }
}

}  // namespace udocker::archive
