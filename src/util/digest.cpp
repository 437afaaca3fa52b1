#include "util/digest.hpp"

#include "util/strings.hpp"

#include <cstdint>
#include <cstring>

#include <mbedtls/md.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

namespace udocker {

namespace {

[[maybe_unused]] alignas(16) constexpr std::uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#if defined(__x86_64__)

bool has_sha256_instructions() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & (1u << 29))) return false;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 19)) && (c & (1u << 9));  // SSE4.1, SSSE3
}

// The instructions keep the state as ABEF and CDGH; each sha256rnds2 does two rounds.
__attribute__((target("sha,sse4.1,ssse3"))) void compress_blocks(std::uint32_t state[8], const unsigned char* data, std::size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state));       // d c b a
  __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4));  // h g f e
  low = _mm_shuffle_epi32(low, 0xb1);                                           // c d a b
  high = _mm_shuffle_epi32(high, 0x1b);                                         // e f g h
  __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
  for (; blocks > 0; --blocks, data += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i)
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data) + i), swap);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      __m128i sum = _mm_add_epi32(w[i & 3], _mm_load_si128(reinterpret_cast<const __m128i*>(kRound) + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
      if (i < 12) {
        __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
        w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
      }
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#elif defined(__aarch64__)

bool has_sha256_instructions() { return ::getauxval(AT_HWCAP) & (1ul << 6); }  // HWCAP_SHA2

__attribute__((target("+crypto"))) void compress_blocks(std::uint32_t state[8], const unsigned char* data, std::size_t blocks) {
  uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
  for (; blocks > 0; --blocks, data += 64) {
    const uint32x4_t abcd_before = abcd, efgh_before = efgh;
    uint32x4_t w[4];
    for (int i = 0; i < 4; ++i) w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      uint32x4_t sum = vaddq_u32(w[i & 3], vld1q_u32(kRound + 4 * i)), old = abcd;
      abcd = vsha256hq_u32(abcd, efgh, sum);
      efgh = vsha256h2q_u32(efgh, old, sum);
      if (i < 12) w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(state, abcd);
  vst1q_u32(state + 4, efgh);
}

#else

bool has_sha256_instructions() { return false; }
void compress_blocks(std::uint32_t*, const unsigned char*, std::size_t) {}

#endif

// SHA-256 around compress_blocks: buffering and padding.
class FastSha256 {
 public:
  void update(const unsigned char* data, std::size_t size) {
    total_ += size;
    if (held_ > 0) {
      std::size_t take = std::min(size, sizeof block_ - held_);
      std::memcpy(block_ + held_, data, take);
      held_ += take;
      data += take;
      size -= take;
      if (held_ < sizeof block_) return;
      compress_blocks(state_, block_, 1);
      held_ = 0;
    }
    compress_blocks(state_, data, size / 64);
    held_ = size % 64;
    std::memcpy(block_, data + (size - held_), held_);
  }

  void finish(unsigned char out[32]) {
    std::uint64_t bits = total_ * 8;
    unsigned char padding[72] = {0x80};
    std::size_t length = (held_ < 56 ? 56 : 120) - held_;
    for (int i = 0; i < 8; ++i) padding[length + static_cast<std::size_t>(i)] = static_cast<unsigned char>(bits >> (56 - 8 * i));
    update(padding, length + 8);
    for (int i = 0; i < 32; ++i) out[i] = static_cast<unsigned char>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }

 private:
  std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::uint64_t total_ = 0;
  std::size_t held_ = 0;
  unsigned char block_[64];
};

}  // namespace

struct Hasher::State {
  Algorithm algorithm;
  bool fast;
  FastSha256 own;
  mbedtls_md_context_t md;
  explicit State(Algorithm a) : algorithm(a), fast(a == Algorithm::sha256 && has_sha256_instructions()) {
    mbedtls_md_init(&md);
    if (fast) return;
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
  auto bytes = static_cast<const unsigned char*>(data);
  if (size == 0) return;
  if (state_->fast) state_->own.update(bytes, size);
  else mbedtls_md_update(&state_->md, bytes, size);
}

std::string Hasher::finish_hex() {
  unsigned char out[64];
  if (state_->fast) state_->own.finish(out);
  else mbedtls_md_finish(&state_->md, out);
  return hex(out, state_->algorithm == Algorithm::sha256 ? 32 : 64);
}

std::string sha256_hex(std::string_view bytes) {
  Hasher hasher;
  hasher.update(bytes);
  return hasher.finish_hex();
}

}  // namespace udocker
