// Layers made in memory, and trees as texts to compare.
#pragma once
#include "archive/extract.hpp"
#include "archive/tar.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <map>

#include <sys/stat.h>

namespace udocker::archive {

class LayerMaker : public Output {
 public:
  void write(std::string_view bytes) override { text_ += bytes; }
  LayerMaker& add(Entry entry, std::string_view content = {}) {
    entry.size = content.size();
    if (entry.mode == 0) entry.mode = entry.type == Entry::Type::directory ? 0755 : 0644;
    if (entry.mtime == 0) entry.mtime = 1'000'000'000;
    writer_.add(entry);
    if (!content.empty()) writer_.write(content);
    return *this;
  }
  LayerMaker& make(Entry::Type type, std::string path, std::string link = {}) {
    Entry entry;
    entry.type = type;
    entry.path = std::move(path);
    entry.link = std::move(link);
    return add(entry);
  }
  LayerMaker& file(std::string path, std::string_view content = "x") {
    Entry entry;
    entry.path = std::move(path);
    return add(entry, content);
  }
  LayerMaker& dir(std::string path) { return make(Entry::Type::directory, std::move(path)); }
  LayerMaker& symlink(std::string path, std::string to) { return make(Entry::Type::symbolic_link, std::move(path), std::move(to)); }
  LayerMaker& hard(std::string path, std::string to) { return make(Entry::Type::hard_link, std::move(path), std::move(to)); }
  Layer layer() {
    writer_.finish();
    auto text = std::make_shared<std::string>(text_);
    struct Kept : TextInput {
      explicit Kept(std::shared_ptr<std::string> t) : TextInput(*t), keep(t) {}
      std::shared_ptr<std::string> keep;
    };
    return {"test", [text] { return std::make_unique<Kept>(text); }, "", ""};
  }

 private:
  std::string text_;
  TarWriter writer_{*this};
};

// Each path with its kind, content or target, mode and time; hard links as groups.
inline void describe(const std::string& root, const std::string& below, std::map<ino_t, std::string>& first, std::string& out) {
  for (const auto& name : list_directory(root + below)) {
    std::string path = cat(below, "/", name), host = root + path;
    struct stat st;
    if (::lstat(host.c_str(), &st) != 0) continue;
    out += cat(printable(path), " ", st.st_mode, " ");
    if (S_ISLNK(st.st_mode)) out += cat("-> ", *find_link(host));
    if (S_ISREG(st.st_mode)) out += load_file(host).substr(0, 40);
    if (S_ISREG(st.st_mode) && st.st_nlink > 1) out += cat(" = ", first.emplace(st.st_ino, path).first->second);
    out += "\n";
    if (S_ISDIR(st.st_mode)) describe(root, path, first, out);
  }
}
inline std::string describe(const std::string& root) {
  std::map<ino_t, std::string> first;
  std::string out;
  describe(root, "", first, out);
  return out;
}

}  // namespace udocker::archive
