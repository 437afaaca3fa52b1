// Image references: the local name as the user typed it, and where a registry keeps it. Pure values.
#pragma once
#include "oci/digest.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace udocker::oci {

// `name[:tag][@digest]`. The local name is the text as typed, with any registry prefix: docker.io/a and a differ.
struct ImageRef {
  std::string repository;        // "python", "localhost:5000/a/b"
  std::string tag;               // "latest" when none was typed; the digest's text when only a digest was
  std::optional<Digest> digest;  // wins over the tag

  // Name of the tag's folder in the local repository: the digest when there is one, else the tag.
  const std::string& local_tag() const { return digest ? digest->text() : tag; }
  std::string text() const { return repository + ":" + local_tag(); }
  bool operator==(const ImageRef&) const = default;
};

// Also takes `name:sha256:HEX`, the form in which images are listed. No component is empty, `.` or `..`, so the name
// is safe as a path. Throws UsageError.
ImageRef parse_image_ref(std::string_view text);
// As parse_image_ref; nothing when the text is not a reference.
std::optional<ImageRef> find_image_ref(std::string_view text);
// A repository name without a tag (load NAME). Throws UsageError.
std::string parse_repository(std::string_view text);

// What to ask of which registry.
struct RemoteName {
  std::string registry;    // host[:port] as typed; "docker.io" when the name has none
  std::string repository;  // path below /v2/, with `library/` where Docker Hub wants it
  std::string reference;   // digest or tag
  bool is_docker_hub() const { return registry == "docker.io"; }
  std::string text() const;  // "docker.io/library/busybox:latest"
};

// First component of a repository name when it names a registry: it has `.` or `:`, or is `localhost`.
std::string_view registry_part(std::string_view repository);
// Throws UsageError when a registry would refuse the name (upper case, for example).
RemoteName remote_name(const ImageRef& ref);

}  // namespace udocker::oci
