// SHA-256 and SHA-512, with the CPU's SHA instructions where it has them (checked at run time).
// The door to mbedTLS's hash functions; TLS is in net.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace udocker {

class Hasher {
 public:
  enum class Algorithm { sha256, sha512 };
  explicit Hasher(Algorithm algorithm = Algorithm::sha256);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void update(const void* data, std::size_t size);
  void update(std::string_view bytes) { update(bytes.data(), bytes.size()); }
  // Lower-case hexadecimal; the hasher must not be used afterwards.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace udocker
