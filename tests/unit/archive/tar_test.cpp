#include "archive/tar.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

namespace udocker::archive {
namespace {

class TextOutput : public Output {
 public:
  void write(std::string_view bytes) override { text += bytes; }
  std::string text;
};

std::vector<std::pair<Entry, std::string>> read_all(std::string_view text) {
  TextInput input(text);
  TarReader reader(input, "test");
  std::vector<std::pair<Entry, std::string>> all;
  Entry entry;
  while (reader.next(entry)) all.emplace_back(entry, reader.text(entry, 1 << 20));
  return all;
}

TEST(Tar, ReadsWhatItWrites) {
  TextOutput out;
  TarWriter writer(out);
  Entry entry;
  entry.path = std::string(300, 'd') + "/" + std::string(200, 'f') + "\n\xff";
  entry.size = 5;
  entry.mode = 04755;
  entry.uid = 4'000'000'000;
  entry.gid = 77;
  entry.mtime = -5;
  entry.xattrs["security.capability"] = std::string("\x01\x00=\n", 4);
  writer.add(entry);
  writer.write("12345");
  Entry link;
  link.type = Entry::Type::symbolic_link;
  link.path = "l";
  link.link = std::string(150, 't');
  writer.add(link);
  Entry device;
  device.type = Entry::Type::character_device;
  device.path = "null";
  device.major = 1;
  device.minor = 3;
  writer.add(device);
  Entry directory;
  directory.type = Entry::Type::directory;
  directory.path = "dir";
  directory.mode = 01777;
  writer.add(directory);
  writer.finish();
  auto all = read_all(out.text);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].first.path, entry.path);
  EXPECT_EQ(all[0].second, "12345");
  EXPECT_EQ(all[0].first.mode, 04755u);
  EXPECT_EQ(all[0].first.uid, entry.uid);
  EXPECT_EQ(all[0].first.mtime, -5);
  EXPECT_EQ(all[0].first.xattrs, entry.xattrs);
  EXPECT_EQ(all[1].first.link, link.link);
  EXPECT_EQ(all[2].first.major, 1u);
  EXPECT_EQ(all[2].first.minor, 3u);
  EXPECT_EQ(all[3].first.path, "dir/");
  EXPECT_EQ(all[3].first.type, Entry::Type::directory);
}

TEST(Tar, CutOrDamagedArchivesAreNamed) {
  TextOutput out;
  TarWriter writer(out);
  writer.add_file("a", std::string(1000, 'x'));
  writer.finish();
  EXPECT_THROW(read_all(std::string_view(out.text).substr(0, 700)), IntegrityError);
  EXPECT_THROW(read_all(std::string_view(out.text).substr(0, 100)), IntegrityError);
  std::string damaged = out.text;
  damaged[3] ^= 1;
  EXPECT_THROW(read_all(damaged), IntegrityError);
  EXPECT_THROW(read_all("this is no tar archive at all, but some text that is longer than nothing"), IntegrityError);
}

// GNU tar writes every format that is asked of it; all must read the same.
TEST(Tar, ReadsAllFormatsOfGnuTar) {
  if (!find_program("tar", "/usr/bin:/bin")) GTEST_SKIP() << "no tar here";
  TempDir place(testing::TempDir(), "tar");
  std::string tree = place.path() + "/t", deep = tree + "/" + std::string(120, 'a') + "/" + std::string(120, 'b');
  make_directories(deep);
  make_file(deep + "/file", "content");
  UniqueFd sparse = open_fd(tree + "/sparse", O_WRONLY | O_CREAT, 0644);
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(::pwrite(sparse.get(), "data", 4, i * 1'000'000 + 17), 4);
  }
  ASSERT_EQ(::ftruncate(sparse.get(), 70'000'000), 0);
  for (std::string format : {"--format=gnu", "--format=gnu --sparse", "--format=posix", "--format=posix --sparse",
                             "--format=posix --sparse --sparse-version=0.0", "--format=posix --sparse --sparse-version=0.1", "--format=oldgnu -S"}) {
    ASSERT_EQ(std::system(cat("cd ", place.path(), " && tar cf t.tar ", format, " t").c_str()), 0) << format;
    auto input = FdInput::open(place.path() + "/t.tar");
    TarReader reader(*input, "t.tar");
    Entry entry;
    int found = 0;
    while (reader.next(entry)) {
      if (entry.path.ends_with("/file")) {
        ++found;
        EXPECT_EQ(entry.path, "t" + deep.substr(tree.size()) + "/file") << format;
        EXPECT_EQ(reader.text(entry, 100), "content") << format;
      } else if (entry.path == "t/sparse") {
        ++found;
        EXPECT_EQ(entry.size, 70'000'000u) << format;
        if (!entry.sparse) continue;
        std::string stored;
        for (auto part = reader.data(); !part.empty(); part = reader.data()) stored += part;
        std::uint64_t at = 0;
        int seen = 0;
        for (auto [offset, length] : entry.segments) {
          for (int i = 0; i < 60; ++i) {
            std::uint64_t place_of = static_cast<std::uint64_t>(i) * 1'000'000 + 17;
            if (place_of >= offset && place_of + 4 <= offset + length) seen += stored.substr(at + place_of - offset, 4) == "data";
          }
          at += length;
        }
        EXPECT_EQ(seen, 60) << format;
      }
    }
    EXPECT_EQ(found, 2) << format;
  }
}

std::string gnu_header(std::string_view name, std::string_view mode, std::string_view size, std::string_view type) {
  std::string header(512, '\0');
  auto put = [&](std::size_t at, std::string_view text) { header.replace(at, text.size(), text); };
  put(0, name);
  put(100, mode);
  put(124, size);
  put(156, type);
  put(257, "ustar  ");
  put(148, "        ");
  unsigned sum = 0;
  for (unsigned char c : header) sum += c;
  char digits[9];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  put(148, std::string_view(digits, 7));
  return header;
}

TEST(Tar, TakesAContiguousFileForADirectoryByItsSlash) {
  auto all = read_all(gnu_header("dir/", "0000755", "00000000000", "7") + gnu_header("file", "0000644", "00000000000", "7") + std::string(1024, '\0'));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].first.type, Entry::Type::directory);
  EXPECT_EQ(all[1].first.type, Entry::Type::file);
}

TEST(Tar, LeavesOutTheListingOfAGnuDirectory) {
  const std::string header = gnu_header("dir/", "0000755", "00000000005", "D");
  std::string listing = "Ya\0\0";
  listing.resize(512, '\0');
  TextOutput out;
  TarWriter writer(out);
  Entry after;
  after.path = "after";
  writer.add(after);
  writer.finish();
  auto all = read_all(header + listing + out.text);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].first.path, "dir/");
  EXPECT_EQ(all[0].first.type, Entry::Type::directory);
  EXPECT_EQ(all[0].second, "");
  EXPECT_EQ(all[1].first.path, "after");
  EXPECT_THROW(read_all(header), Error);
}

TEST(Tar, DecompressesByMagic) {
  TempDir place(testing::TempDir(), "compress");
  std::string text;
  for (int i = 0; i < 200000; ++i) text += cat("line ", i * 7919 % 10007, "\n");
  make_file(place.path() + "/plain", text);
  for (std::string tool : {"cat", "gzip", "zstd -q", "xz -1", "bzip2"}) {
    std::string name = split_words(tool)[0];
    if (!find_program(name, "/usr/bin:/bin")) continue;
    std::string file = cat(place.path(), "/", name);
    ASSERT_EQ(std::system(cat(tool, " < ", place.path(), "/plain > ", file, "; ", tool, " < ", place.path(), "/plain >> ", file).c_str()), 0);
    auto input = threaded(decompressed(FdInput::open(file), file));
    std::string got;
    for (auto part = input->next(); !part.empty(); part = input->next()) got += part;
    EXPECT_EQ(got.size(), 2 * text.size()) << tool;
    EXPECT_TRUE(got == text + text) << tool;
    if (name == "cat") continue;
    std::string whole = load_file(file);
    make_file(file, whole.substr(0, whole.size() - 20));
    auto cut = threaded(decompressed(FdInput::open(file), file));
    EXPECT_THROW(while (!cut->next().empty()) {}, IntegrityError) << tool;
  }
}

}  // namespace
}  // namespace udocker::archive
