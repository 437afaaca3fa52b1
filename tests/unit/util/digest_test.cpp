#include "util/digest.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <mbedtls/md.h>

namespace udocker {

TEST(Hasher, KnownAnswers) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher wide(Hasher::Algorithm::sha512);
  wide.update("abc");
  EXPECT_EQ(wide.finish_hex().substr(0, 32), "ddaf35a193617abacc417349ae204131");
}

TEST(Hasher, AnySizeInAnyPiecesAsThePortableOne) {
  std::string text(1000, 0);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + 7);
  for (std::size_t size = 0; size <= 300; ++size) {
    unsigned char expected[32];
    mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), reinterpret_cast<const unsigned char*>(text.data()), size, expected);
    for (std::size_t piece : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, std::size_t{1000}}) {
      Hasher hasher;
      for (std::size_t at = 0; at < size; at += piece) hasher.update(text.data() + at, std::min(piece, size - at));
      ASSERT_EQ(hasher.finish_hex(), hex(expected, 32)) << size << " in pieces of " << piece;
    }
  }
}

}  // namespace udocker
