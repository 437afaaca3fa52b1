// Media types of images: what a document or blob is. Pure.
#pragma once
#include <string_view>

namespace udocker::oci {

enum class DocumentKind { unknown, manifest, index, schema1 };

// Parameters (`; charset=utf-8`) and case are ignored.
DocumentKind document_kind(std::string_view media_type);
bool is_image_config(std::string_view media_type);
bool is_layer(std::string_view media_type);     // tar in any compression, foreign ones included
bool is_foreign_layer(std::string_view media_type);
// Value of Accept for a request for a manifest: OCI and Docker, index and manifest, schema 1 last.
std::string_view manifest_accept();

inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

}  // namespace udocker::oci
