// A blob on its way into layers/ whose digest is known only when all of it has been written.
#pragma once
#include "store/blobs.hpp"

namespace udocker::store {

class Intake {
 public:
  explicit Intake(const Directories& dirs, Hasher::Algorithm algorithm = Hasher::Algorithm::sha256);
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;
  ~Intake();  // what was not kept is gone

  void append(std::string_view bytes);  // throws SystemError
  // Ends the writing; the digest is known from here on.
  const std::string& seal();
  const std::string& digest() const { return digest_; }
  std::uint64_t size() const { return size_; }
  // Where the bytes are now, to be read again after seal().
  const std::string& path() const { return path_; }
  // Makes the blob durable and visible under its digest, and pins it while this object lives. Calling it again does
  // nothing.
  void keep();

 private:
  Directories dirs_;
  std::string path_, prefix_, digest_;
  std::optional<Lock> lock_;
  std::optional<Pins> pins_;
  UniqueFd fd_;
  Hasher hasher_;
  std::uint64_t size_ = 0;
};

}  // namespace udocker::store
