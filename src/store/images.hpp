// repos/: tagged images (compatibility spec 2.3). A directory is an image when it holds the file TAG.
#pragma once
#include "store/blobs.hpp"
#include "store/directories.hpp"
#include "util/json.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::store {

// Name of a local image: repository text as the user typed it (registry included) and tag or digest.
struct ImageName {
  std::string repository, tag;

  // "repo[:tag]" and "repo[@algo:hex]" (also "repo:tag@algo:hex": the digest wins); the tag is "latest" when absent.
  // Throws UsageError "must specify image:tag or repository/image:tag" on anything else.
  static ImageName parse(std::string_view text);
  static std::optional<ImageName> find(std::string_view text);  // nothing instead of the exception
  std::string text() const { return repository + ":" + tag; }
  auto operator<=>(const ImageName&) const = default;
};

enum class Format { v1, v2 };

// One image as it is on disk now. Reading functions throw IntegrityError when the image is not whole.
class Image {
 public:
  Image(Directories dirs, ImageName name);
  const ImageName& name() const { return name_; }
  const std::string& directory() const { return directory_; }
  Format format() const;
  bool is_protected() const;
  json::Value manifest() const;             // v2 only
  json::Value config() const;               // image configuration; throws when it is missing
  std::vector<std::string> layers() const;  // names in layers/, bottom first, as often as the image lists them
  std::string config_blob() const;          // name in layers/; "" when it comes from the manifest (schema 1)
  std::vector<std::string> links() const;   // names of all blobs linked here
  std::string platform() const;             // os/arch[/variant], "unknown" for what is missing

 private:
  Directories dirs_;
  ImageName name_;
  std::string directory_;
};

// os/architecture[/variant] of an image configuration; "unknown" for what is missing.
std::string platform_text(const json::Value& config);

enum class Force { no, yes };

class Images {
 public:
  explicit Images(const Directories& dirs) : dirs_(dirs), blobs_(dirs) {}

  std::optional<Image> find(const ImageName& name) const;
  std::vector<Image> list() const;  // sorted by name

  // Makes or replaces a v2 image, atomic for readers. All blobs that the manifest names must be in layers/ (pin them
  // first); throws IntegrityError naming the first one that is not.
  void put_v2(const ImageName& name, const json::Value& manifest) const;
  // Makes a v1 image from `ancestry` (top layer first); each id needs `<id>.layer` (and `<id>.json`) in layers/.
  // `config_blob` is a name in layers/ for the link container.json, or empty.
  void put_v1(const ImageName& name, const std::vector<std::string>& ancestry, const std::string& config_blob) const;
  // Second name for the same blobs.
  void copy(const Image& source, const ImageName& target) const;
  // Removes the image and the blobs that nothing else needs. Throws Error when protected. Force::yes goes on past
  // files that cannot be removed.
  void remove(const ImageName& name, Force force) const;
  void set_protected(const ImageName& name, bool on) const;
  // Names of blobs that some image (or half-made image) links to.
  std::vector<std::string> referenced() const;
  // Removes what crashes left behind: half-made images, parts nobody writes, and blobs no image needs. Returns how many.
  std::size_t prune() const;

 private:
  std::string directory(const ImageName& name) const;
  void fill(const ImageName& name, const std::vector<std::string>& links, const std::string& file,
            const std::string& content, Format format, const std::string& config_blob) const;
  std::string lock_path() const;

  Directories dirs_;
  Blobs blobs_;
};

}  // namespace udocker::store
