// The two ways of applying layers that extract.hpp's apply_layers chooses from.
#pragma once
#include "archive/extract.hpp"
#include "archive/node_writer.hpp"
#include "archive/tar.hpp"

namespace udocker::archive {

// Layers say something that can only be judged with the lower ones in place: paths through symbolic links, hard links
// to files of other layers, files that become directories within one layer.
struct NeedsGeneral {
  std::string why;
};

// From the top layer down, each surviving file once, never through a link. Throws NeedsGeneral where it cannot judge.
ApplyResult apply_top_down(const std::string& root, const std::vector<Layer>& layers, const ApplyOptions& options);
// From the bottom layer up, replacing and removing: any image, slower.
ApplyResult apply_bottom_up(const std::string& root, const std::vector<Layer>& layers, const ApplyOptions& options);

// One layer's tar, decompressed and verified in a thread.
class LayerStream {
 public:
  explicit LayerStream(const Layer& layer);
  bool next(Entry& entry) { return reader_.next(entry); }
  TarReader& reader() { return reader_; }
  void finish() { reader_.drain(); }

 private:
  std::unique_ptr<Input> input_;
  TarReader reader_;
};

// Counts what is written against the limits; throws Error.
class Meter {
 public:
  explicit Meter(const ApplyOptions& options) : options_(options) {}
  void count(const Entry& entry);
  ApplyResult result;

 private:
  const ApplyOptions& options_;
};

// What a name in a layer asks for (OCI image-spec layer.md).
enum class Whiteout { none, name, opaque, ignored };
// Throws IntegrityError for ".wh." without a name.
Whiteout whiteout_of(std::string_view name, const ApplyOptions& options);
inline constexpr std::string_view kWhiteoutPrefix = ".wh.";

// Throws IntegrityError for paths that no program could use: longer than 4095 bytes or deeper than 400 directories.
void check_length(const std::vector<std::string_view>& parts);

// Device nodes of the root's own device tree, which engines provide.
bool is_device_of_root(const std::vector<std::string_view>& parts, const Entry& entry);

// Makes `name` the same file as the other one; a copy where there are no hard links.
void make_hard_link(int from_dir, const std::string& from, int dir, const std::string& name);

}  // namespace udocker::archive
