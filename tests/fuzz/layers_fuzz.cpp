// libFuzzer target: applying arbitrary bytes as layers (split at a marker) ends in a tree or an Error, touches nothing
// outside its root, and both ways of applying agree where both succeed.
#include "archive/apply.hpp"
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
  ApplyOptions options;
  options.limits = {1 << 20, 2000};
  std::string seen[2];
  bool done[2] = {};
  for (int way = 0; way < 2; ++way) {
    std::string root = place.path() + "/root";
    make_directories(root);
    try {
      if (way == 0) apply_top_down(root, layers, options);
      else apply_bottom_up(root, layers, options);
      describe(root, seen[way]);
      done[way] = true;
    } catch (const Error&) {
    } catch (const NeedsGeneral&) {
    }
    remove_tree(root);
  }
  if (list_directory(place.path()).size() != 0) {
    std::fputs("something was made outside the root\n", stderr);
    std::abort();
  }
  if (done[0] && done[1] && seen[0] != seen[1]) {
    std::fprintf(stderr, "the two ways differ:\n%s---\n%s", seen[0].c_str(), seen[1].c_str());
    std::abort();
  }
  return 0;
}
