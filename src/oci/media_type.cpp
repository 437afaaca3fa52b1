#include "oci/media_type.hpp"

#include "util/strings.hpp"

namespace udocker::oci {

namespace {
std::string plain(std::string_view media_type) { return to_lower(trim(media_type.substr(0, media_type.find(';')))); }
}  // namespace

DocumentKind document_kind(std::string_view media_type) {
  std::string type = plain(media_type);
  if (type == kOciManifest || type == kDockerManifest) return DocumentKind::manifest;
  if (type == kOciIndex || type == kDockerList) return DocumentKind::index;
  if (type.starts_with("application/vnd.docker.distribution.manifest.v1+")) return DocumentKind::schema1;
  return DocumentKind::unknown;
}

bool is_image_config(std::string_view media_type) {
  std::string type = plain(media_type);
  return type == "application/vnd.oci.image.config.v1+json" || type == "application/vnd.docker.container.image.v1+json";
}

bool is_foreign_layer(std::string_view media_type) {
  std::string type = plain(media_type);
  return type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar") ||
         type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar");
}

bool is_layer(std::string_view media_type) {
  std::string type = plain(media_type);
  return type.starts_with("application/vnd.oci.image.layer.v1.tar") ||
         type.starts_with("application/vnd.docker.image.rootfs.diff.tar") || is_foreign_layer(type);
}

std::string_view manifest_accept() {
  return "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
         "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, "
         "application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.5, application/json;q=0.4, */*;q=0.1";
}

}  // namespace udocker::oci
