#include "oci/digest.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>

namespace udocker::oci {

namespace {
constexpr std::string_view kSha256 = "sha256:", kSha512 = "sha512:";

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}
}  // namespace

Hasher::Algorithm Digest::algorithm() const {
  return text_.starts_with(kSha512) ? Hasher::Algorithm::sha512 : Hasher::Algorithm::sha256;
}

std::string_view Digest::hex() const { return std::string_view(text_).substr(std::min(kSha256.size(), text_.size())); }

std::string Digest::short_hex() const { return std::string(hex().substr(0, 12)); }

std::optional<Digest> find_digest(std::string_view text) {
  std::size_t wanted = text.starts_with(kSha256) ? 64 : text.starts_with(kSha512) ? 128 : 0;
  if (!wanted || text.size() != kSha256.size() + wanted || !is_hex(text.substr(kSha256.size()))) return std::nullopt;
  return Digest(text);
}

Digest parse_digest(std::string_view text, std::string_view source) {
  if (auto digest = find_digest(text)) return *digest;
  std::string shown = printable(text.substr(0, 150));
  throw IntegrityError(cat(source, ": not a digest this program knows: ", shown.empty() ? "(empty)" : shown));
}

Digest digest_of(std::string_view bytes, Hasher::Algorithm algorithm) {
  Hasher hasher(algorithm);
  hasher.update(bytes);
  return *find_digest(cat(algorithm == Hasher::Algorithm::sha256 ? kSha256 : kSha512, hasher.finish_hex()));
}

}  // namespace udocker::oci
