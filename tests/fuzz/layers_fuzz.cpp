// libFuzzer target: applying arbitrary bytes as layers (split at a marker) ends in a tree or an Error, touches nothing
// outside its root, and both ways of applying agree where both succeed.
#include "archive/apply.hpp"
#include "both_ways.hpp"
#include "support.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <sys/stat.h>

namespace {

using namespace udocker;
using namespace udocker::archive;

void describe(const std::string& directory, std::string& out) {
  for (const auto& name : list_directory(directory)) {
    std::string path = cat(directory, "/", name);
    struct stat st {};
    ::lstat(path.c_str(), &st);
    out += cat(name, " ", st.st_mode, " ", S_ISREG(st.st_mode) ? static_cast<std::uint64_t>(st.st_size) : 0, "\n");
    if (S_ISDIR(st.st_mode)) describe(path, out);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static TempDir place(fuzz::place_for_files(), "fuzz");
  std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<Layer> layers;
  constexpr std::string_view kMarker = "NEXTLAYER";
  for (std::size_t at = 0; at <= text.size() && layers.size() < 4;) {
    std::size_t end = std::min(text.find(kMarker, at), text.size());
    auto part = std::make_shared<std::string>(text.substr(at, end - at));
    fuzz::repair_checksums(*part);
    struct Kept : TextInput {
      explicit Kept(std::shared_ptr<std::string> t) : TextInput(*t), keep(t) {}
      std::shared_ptr<std::string> keep;
    };
    layers.push_back({"fuzz", [part] { return std::make_unique<Kept>(part); }, "", ""});
    at = end + kMarker.size();
  }
  auto text_of = [](const std::string& root) {
    std::string text_found;
    describe(root, text_found);
    return text_found;
  };
  fuzz::apply_both_ways(place.path(), layers, text_of, [] {
    if (list_directory(place.path()).size() != 0) {
      std::fputs("something was made outside the root\n", stderr);
      std::abort();
    }
  });
  return 0;
}
