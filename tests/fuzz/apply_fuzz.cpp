// libFuzzer target: layers made of well-formed entries with names, links and whiteouts that meet each other. Nothing is
// touched outside the root, and both ways of applying agree where both succeed.
#include "archive/apply.hpp"
#include "both_ways.hpp"
#include "support.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <map>

#include <sys/stat.h>

namespace {

using namespace udocker;
using namespace udocker::archive;

struct Text : Output {
  std::string bytes;
  void write(std::string_view more) override { bytes += more; }
};

// Few names, so that they meet; each way of writing them.
std::string path_of(fuzz::Choices& choices) {
  static const char* const parts[] = {"a", "b", "c", "..", ".", "", "a/", "b/c", "\xff\n", "d"};
  std::string path = choices.below(8) == 0 ? "/" : "";
  for (unsigned n = 1 + choices.below(4); n > 0; --n) path += cat(parts[choices.below(10)], n > 1 ? "/" : "");
  return path;
}

std::string whiteout_of(fuzz::Choices& choices) {
  static const char* const names[] = {".wh.a", ".wh.b", ".wh.c", ".wh..wh..opq", ".wh..wh.plnk", ".wh.", ".wh..", ".wh...", ".wh.d"};
  std::string path = choices.below(2) ? path_of(choices) + "/" : "";
  return path + names[choices.below(9)];
}

Layer layer_of(fuzz::Choices& choices, const std::string& outside) {
  auto out = std::make_shared<Text>();
  TarWriter writer(*out);
  for (unsigned entries = choices.below(12); entries > 0 && choices.more(); --entries) {
    Entry entry;
    std::string content;
    entry.path = path_of(choices);
    entry.mode = 0755;
    entry.mtime = 1;
    switch (choices.below(8)) {
      case 0: entry.type = Entry::Type::directory; break;
      case 1: entry.type = Entry::Type::symbolic_link, entry.link = choices.below(3) ? path_of(choices) : outside; break;
      case 2: entry.type = Entry::Type::hard_link, entry.link = path_of(choices); break;
      case 3: entry.type = Entry::Type::fifo; break;
      case 4: entry.path = whiteout_of(choices); break;
      case 5: entry.type = Entry::Type::character_device, entry.mode = 06666; break;
      default: content.assign(choices.below(4), 'x');
    }
    if (entry.path.empty()) continue;
    entry.size = content.size();
    writer.add(entry);
    if (!content.empty()) writer.write(content);
  }
  writer.finish();
  struct Kept : TextInput {
    explicit Kept(std::shared_ptr<Text> t) : TextInput(t->bytes), keep(t) {}
    std::shared_ptr<Text> keep;
  };
  return {"fuzz", [out] { return std::make_unique<Kept>(out); }, "", ""};
}

void describe(const std::string& directory, std::map<ino_t, std::string>& first, std::string& out) {
  for (const auto& name : list_directory(directory)) {
    std::string path = cat(directory, "/", name);
    struct stat st {};
    ::lstat(path.c_str(), &st);
    bool is_file = S_ISREG(st.st_mode);
    out += cat(name, " ", st.st_mode, " ", is_file ? static_cast<std::uint64_t>(st.st_size) : 0, " ", find_link(path).value_or(""), " ",
               is_file && st.st_nlink > 1 ? first.emplace(st.st_ino, path).first->second : "", "\n");
    if (S_ISDIR(st.st_mode)) describe(path, first, out);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static TempDir place(fuzz::place_for_files(), "fuzz");
  static const std::string outside = place.path() + "/canary";
  static const bool made = (make_directories(outside), make_file(outside + "/file", "alive"), true);
  (void)made;
  fuzz::Choices choices(data, size);
  std::vector<Layer> layers;
  for (unsigned n = 1 + choices.below(4); n > 0; --n) layers.push_back(layer_of(choices, outside));
  auto text_of = [](const std::string& root) {
    std::map<ino_t, std::string> first;
    std::string text;
    describe(root, first, text);
    return text;
  };
  fuzz::apply_both_ways(place.path(), layers, text_of, [&] {
    bool untouched = list_directory(place.path()).size() == 1 && list_directory(outside).size() == 1 && load_file(outside + "/file") == "alive";
    fuzz::require(untouched, "something was touched outside the root");
  });
  return 0;
}
