#include "util/digest.hpp"

#include "util/strings.hpp"

#include <mbedtls/md.h>

namespace udocker {

struct Hasher::State {
  mbedtls_md_context_t md;
  Algorithm algorithm;
  State(Algorithm a) : algorithm(a) {
    mbedtls_md_init(&md);
    mbedtls_md_setup(&md, mbedtls_md_info_from_type(a == Algorithm::sha256 ? MBEDTLS_MD_SHA256 : MBEDTLS_MD_SHA512), 0);
    mbedtls_md_starts(&md);
  }
  ~State() { mbedtls_md_free(&md); }
};

Hasher::Hasher(Algorithm algorithm) : state_(std::make_unique<State>(algorithm)) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(const void* data, std::size_t size) {
  mbedtls_md_update(&state_->md, static_cast<const unsigned char*>(data), size);
}

std::string Hasher::finish_hex() {
  unsigned char out[64];
  mbedtls_md_finish(&state_->md, out);
  return hex(out, state_->algorithm == Algorithm::sha256 ? 32 : 64);
}

std::string sha256_hex(std::string_view bytes) {
  Hasher hasher;
  hasher.update(bytes);
  return hasher.finish_hex();
}

}  // namespace udocker
