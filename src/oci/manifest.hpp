// Image manifests and indexes (OCI, Docker v2 schema 2, and schema 1 for old registries). Pure; input is not trusted.
#pragma once
#include "oci/digest.hpp"
#include "oci/media_type.hpp"
#include "oci/platform.hpp"
#include "util/json.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::oci {

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  bool size_known = true;  // false only in schema 1
  std::vector<std::string> urls;
  std::optional<std::string> data;  // the blob itself, decoded; verify before use
  std::map<std::string, std::string> annotations;
  std::optional<Platform> platform;
  std::string artifact_type;

  bool is_attestation() const;  // BuildKit's provenance and SBOM entries of an index
};

struct Manifest {
  DocumentKind kind = DocumentKind::manifest;  // manifest or schema1
  std::string media_type;
  Descriptor config;                // digest empty in schema 1
  std::vector<Descriptor> layers;   // lowest first; the same digest may occur more than once
  std::string artifact_type;        // set, or taken from the config's media type, when this is no image
  std::string schema1_config;       // schema 1: JSON text of the newest history entry
  Platform schema1_platform;
  json::Value document;

  bool is_image() const { return artifact_type.empty(); }
};

struct Index {
  std::string media_type;
  std::vector<Descriptor> entries;
  json::Value document;
};

inline constexpr std::uint64_t kLargestManifest = 8u << 20;

// What a document is: by its own mediaType, else by its members, else by `content_type`.
DocumentKind kind_of(const json::Value& document, std::string_view content_type);
// Throw IntegrityError naming `source` on missing or malformed digests and sizes. Unknown members are kept, not refused.
Manifest parse_manifest(json::Value document, std::string_view source);
Index parse_index(json::Value document, std::string_view source);
Descriptor parse_descriptor(const json::Value& value, std::string_view source);

// Entries that fit, best first (see acceptable_platforms); attestations never do. Entries without a platform come
// last, for the caller to look into.
std::vector<Descriptor> select_entries(const Index& index, const Platform& wanted);
// "linux/amd64, linux/arm64/v8", for messages.
std::string platform_list(const Index& index);

}  // namespace udocker::oci
