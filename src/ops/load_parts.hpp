// What load finds in an archive, before anything is kept.
#pragma once
#include "oci/platform.hpp"
#include "ops/load_files.hpp"
#include "util/json.hpp"

#include <optional>
#include <string>
#include <vector>

namespace udocker::ops {

struct FoundLayer {
  std::string file;    // name in the archive
  std::string digest;  // "" when the archive does not say it
  std::optional<std::uint64_t> size = {};
};

struct FoundImage {
  std::vector<std::string> names;  // "repo:tag", or ":tag" when only the tag is known; may be empty
  std::string config;              // text of the image configuration
  std::string config_file;         // its name in the archive; "" when it was made up (archives before Docker 1.10)
  std::string config_digest;
  std::vector<FoundLayer> layers;  // lowest first
  json::Value manifest;            // of an OCI layout; null otherwise
};

// An OCI layout may hold several images, each for several platforms; one platform of each is taken.
std::vector<FoundImage> find_oci_images(const LoadFiles& files, const oci::Platform& wanted);
// manifest.json of `docker save`, or of skopeo's dir: format.
std::vector<FoundImage> find_docker_images(const LoadFiles& files);
// Archives with `repositories`, `ID/json` and `ID/layer.tar` only. Their configuration lacks rootfs: it is added when
// the digests of the layers are known.
std::vector<FoundImage> find_legacy_images(const LoadFiles& files);

// "docker.io/library/a:b" as "a:b"; other names as they are. Pure.
std::string familiar_name(std::string name);

}  // namespace udocker::ops
