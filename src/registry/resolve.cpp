#include "registry/resolve.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker::registry {

namespace {

constexpr int kDeepest = 5;
constexpr std::size_t kMostProbes = 32;  // entries without a platform that are looked into

std::optional<Resolved> find_in(Remote& remote, Document document, const oci::Platform& wanted, int depth, std::string& available, std::size_t& probes);

oci::Platform platform_of(Remote& remote, const oci::Manifest& manifest) {
  if (manifest.kind == oci::DocumentKind::schema1) return manifest.schema1_platform;
  json::Value config = json::parse(remote.fetch_small_blob(manifest.config), "image configuration");
  return {config["os"].as_string(), config["architecture"].as_string(), config["variant"].as_string()};
}

std::optional<Resolved> follow(Remote& remote, const oci::Descriptor& entry, const oci::Platform& wanted, int depth, std::string& available, std::size_t& probes) {
  if (!entry.platform && ++probes > kMostProbes) return std::nullopt;
  Document document = remote.fetch_manifest(entry.digest.text());
  if (entry.size_known && document.text.size() != entry.size)
    throw IntegrityError(cat("size of manifest ", entry.digest.text()), cat(entry.size), cat(document.text.size()));
  if (document.content_type.empty() || oci::document_kind(document.content_type) == oci::DocumentKind::unknown) document.content_type = entry.media_type;
  auto found = find_in(remote, std::move(document), wanted, depth + 1, available, probes);
  if (!found || entry.platform) return found;
  if (!found->manifest.is_image()) return std::nullopt;
  oci::Platform have = platform_of(remote, found->manifest);
  for (const auto& pattern : oci::acceptable_platforms(wanted))
    if (oci::matches(pattern, have)) return found;
  available += cat(available.empty() ? "" : ", ", printable(have.text()));
  return std::nullopt;
}

std::optional<Resolved> find_in(Remote& remote, Document document, const oci::Platform& wanted, int depth, std::string& available, std::size_t& probes) {
  std::string source = cat("manifest of ", remote.shown_name());
  switch (oci::kind_of(document.value, document.content_type)) {
    case oci::DocumentKind::manifest:
    case oci::DocumentKind::schema1: {
      oci::Manifest manifest = oci::parse_manifest(document.value, source);
      return Resolved{std::move(document), std::move(manifest)};
    }
    case oci::DocumentKind::unknown:
      throw IntegrityError(cat(source, ": neither a manifest nor an index (", printable(document.content_type.substr(0, 100)), ")"));
    case oci::DocumentKind::index: break;
  }
  if (depth >= kDeepest) throw IntegrityError(cat(source, ": indexes nested deeper than ", kDeepest));
  oci::Index index = oci::parse_index(document.value, source);
  for (const auto& entry : oci::select_entries(index, wanted))
    if (auto found = follow(remote, entry, wanted, depth, available, probes)) return found;
  std::string list = oci::platform_list(index);
  if (!list.empty()) available += cat(available.empty() ? "" : ", ", list);
  return std::nullopt;
}

}  // namespace

Resolved resolve(Remote& remote, const std::string& reference, const oci::Platform& wanted) {
  std::string available;
  std::size_t probes = 0;
  auto found = find_in(remote, remote.fetch_manifest(reference), wanted, 0, available, probes);
  if (!found)
    throw Error(cat("no image found in manifest for platform (", wanted.text(), ")", available.empty() ? "" : cat("; there are: ", available)));
  return std::move(*found);
}

}  // namespace udocker::registry
