// The files of an image archive by name, wherever they are: in a directory, or taken in from a tar stream.
#pragma once
#include "archive/stream.hpp"
#include "store/repository.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::ops {

// A file of the archive that was looked at.
struct TakenFile {
  std::string digest;
  std::uint64_t size = 0;
  archive::Compression compression = archive::Compression::none;
};

class LoadFiles {
 public:
  virtual ~LoadFiles() = default;
  // Links inside the archive are followed. Names that leave the archive are not found.
  virtual bool has(const std::string& name) const = 0;
  // Names D for which there is a file D/`file`; sorted.
  virtual std::vector<std::string> directories_with(const std::string& file) const = 0;
  // All of a small file. Throws IntegrityError when it is missing or larger than 16 MiB.
  virtual std::string text(const std::string& name) const = 0;
  // Checks a file: with `digest` given the content must have it; throws IntegrityError otherwise or when it is missing.
  virtual TakenFile take(const std::string& name, const std::string& digest = {}) = 0;
  virtual std::unique_ptr<archive::Input> open(const std::string& name) const = 0;  // of a file that was taken
  // Makes all that was taken visible in layers/ under its digests. It stays there while this object lives, and longer
  // when an image names it.
  virtual void keep() = 0;
  const std::string& source() const { return source_; }  // for messages

 protected:
  explicit LoadFiles(std::string source) : source_(std::move(source)) {}
  [[noreturn]] void missing(const std::string& name) const;

 private:
  std::string source_;
};

// How many bytes may come out of so many stored ones (nothing: not known); 0 is no limit.
using SizeLimit = std::function<std::uint64_t(std::optional<std::uint64_t> stored)>;

// Reads the whole stream: small files into one unnamed file, large ones into hidden parts in layers/.
std::unique_ptr<LoadFiles> read_image_archive(const store::Repository& repository, UniqueFd input, const std::string& source,
                                              const SizeLimit& limit);
std::unique_ptr<LoadFiles> open_image_directory(const store::Repository& repository, const std::string& path);

// "./a//b/../c" as "a/c"; "" when it leads out of the archive. Pure.
std::string clean_member(std::string_view name);

}  // namespace udocker::ops
