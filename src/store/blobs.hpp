// layers/: blobs shared by images. v2 blobs are named by their digest, older ones `<id>.layer` and `<id>.json`.
#pragma once
#include "store/directories.hpp"
#include "store/lock.hpp"
#include "util/digest.hpp"
#include "util/fd.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::store {

// Keeps blobs from being collected by another process between finding them here and linking them into an image.
class Pins {
 public:
  Pins(const Directories& dirs, const std::vector<std::string>& names);
  Pins(Pins&& other) noexcept;
  Pins& operator=(Pins&&) = delete;
  ~Pins();

 private:
  std::string path_;
};

// One blob on its way into layers/. Nothing is visible before commit().
// The part that is there stays after a failure so that the next writer can go on from it.
class BlobWriter {
 public:
  // `digest` is "sha256:…" or "sha512:…"; `size` the expected one, when known. Waits while another process writes the
  // same blob; complete() is then true if that one finished it. `lock_wait` as in Lock::take.
  BlobWriter(const Directories& dirs, std::string digest, std::optional<std::uint64_t> size);
  BlobWriter(BlobWriter&&) = default;
  ~BlobWriter();

  bool complete() const { return complete_; }           // the blob is there: nothing to write
  std::uint64_t offset() const { return offset_; }      // bytes held so far: where to go on
  void restart();                                       // forgets what is held
  // Throws IntegrityError as soon as there are more bytes than expected, SystemError when writing fails.
  void append(std::string_view bytes);
  // Checks size and digest, makes the blob durable and visible. On IntegrityError the part is thrown away.
  void commit();

 private:
  std::string digest_, final_, part_;
  std::optional<std::uint64_t> size_;
  std::optional<Lock> lock_;
  UniqueFd fd_;
  Hasher hasher_;
  std::uint64_t offset_ = 0;
  bool complete_ = false;
};

class Blobs {
 public:
  explicit Blobs(const Directories& dirs) : dirs_(dirs) {}

  std::string path(std::string_view name) const;  // also of a blob that does not exist
  bool has(std::string_view name) const;
  std::optional<std::uint64_t> size(std::string_view name) const;
  // Reads the whole blob; false when its content is not what a digest name promises. True for other names that exist.
  bool verify(const std::string& name) const;
  // Stores bytes at hand under their digest (checked); nothing happens when it is there.
  void put(const std::string& digest, std::string_view content) const;
  // Stores a file under a name that is not a digest (v1 images), durable and atomic. Replaces.
  void put_named(const std::string& name, std::string_view content) const;
  BlobWriter write(const std::string& digest, std::optional<std::uint64_t> size = {}) const {
    return BlobWriter(dirs_, digest, size);
  }
  // Call before has(): what is pinned stays until the pins end.
  Pins pin(const std::vector<std::string>& names) const { return Pins(dirs_, names); }
  std::vector<std::string> list() const;  // names of whole blobs
  std::vector<std::string> pinned() const;

 private:
  Directories dirs_;
};

// "sha256:" or "sha512:" and the right number of lower-case hexadecimal digits.
bool is_digest(std::string_view text);
// Algorithm of a digest for which is_digest is true.
Hasher::Algorithm digest_algorithm(std::string_view digest);

}  // namespace udocker::store
