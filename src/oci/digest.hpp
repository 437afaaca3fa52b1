// A content digest: `sha256:` or `sha512:` and lower-case hexadecimal. Pure value.
#pragma once
#include "util/digest.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace udocker::oci {

class Digest {
 public:
  Digest() = default;  // empty; only find_digest and parse_digest make others
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  Hasher::Algorithm algorithm() const;
  std::string_view hex() const;        // without the algorithm and `:`
  std::string short_hex() const;       // first 12 digits, for messages
  bool operator==(const Digest&) const = default;
  auto operator<=>(const Digest&) const = default;

 private:
  friend std::optional<Digest> find_digest(std::string_view text);
  explicit Digest(std::string_view text) : text_(text) {}
  std::string text_;
};

// Nothing unless the text is a digest of a known algorithm with exactly its number of lower-case hexadecimal digits.
std::optional<Digest> find_digest(std::string_view text);
// As find_digest, but throws IntegrityError naming `source`.
Digest parse_digest(std::string_view text, std::string_view source);
// Digest of bytes in memory.
Digest digest_of(std::string_view bytes, Hasher::Algorithm algorithm = Hasher::Algorithm::sha256);

}  // namespace udocker::oci
