// libFuzzer target: arbitrary bytes as a tar archive, plain and compressed, end in entries or an Error; what is read
// can be written again and reads back the same.
#include "archive/tar.hpp"
#include "support.hpp"
#include "util/error.hpp"

#include <vector>

namespace {

using namespace udocker;
using namespace udocker::archive;

struct Text : Output {
  std::string bytes;
  void write(std::string_view more) override { bytes += more; }
};

struct Seen {
  Entry entry;
  std::string content;
};

std::vector<Seen> read_all(Input& input) {
  constexpr std::size_t kEnough = 1 << 20;
  std::vector<Seen> all;
  std::size_t bytes = 0;
  TarReader reader(input, "fuzz");
  Entry entry;
  while (bytes < kEnough && reader.next(entry)) {
    Seen seen{entry, {}};
    std::uint64_t stored = 0;
    for (auto part = reader.data(); !part.empty(); part = reader.data()) stored += part.size(), seen.content += part;
    fuzz::require(entry.sparse || stored == entry.size, "a file has another size than its header");
    bytes += stored;
    all.push_back(std::move(seen));
  }
  return all;
}

void write_again(const std::vector<Seen>& all) {
  Text out;
  TarWriter writer(out);
  std::vector<const Seen*> written;
  for (const Seen& seen : all) {
    if (seen.entry.sparse || seen.entry.path.empty()) continue;
    writer.add(seen.entry);
    if (!seen.content.empty()) writer.write(seen.content);
    written.push_back(&seen);
  }
  writer.finish();
  TextInput input(out.bytes);
  auto again = read_all(input);
  fuzz::require(again.size() <= written.size(), "more entries than were written");
  for (std::size_t i = 0; i < again.size(); ++i) {
    const Entry &a = written[i]->entry, &b = again[i].entry;
    fuzz::require(again[i].content == written[i]->content, "another content");
    fuzz::require(a.size == b.size && a.type == b.type, "another size or kind");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  for (bool repaired : {false, true}) {
    if (repaired) fuzz::repair_checksums(text);
    try {
      auto plain = decompressed(std::make_unique<TextInput>(text), "fuzz", size % 8 == 0 ? 2 : 1);
      write_again(read_all(*plain));
    } catch (const Error&) {
    }
  }
  return 0;
}
