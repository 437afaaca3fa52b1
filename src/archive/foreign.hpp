// Archives that are not tar: cpio, zip, 7z, ar, iso, cab, lha, rar, xar. The door to libarchive.
#pragma once
#include "archive/stream.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace udocker::archive {

struct TarStream {
  std::unique_ptr<Input> input;  // a tar archive, not compressed
  bool converted = false;        // it was something else
};

// `plain` as a tar stream: itself when it is one, else converted by way of unnamed temporary files in `directory`.
// Nothing is judged but the format; names and links are as the archive has them. Throws IntegrityError naming `name`
// when the format is unknown or the archive damaged, Error when files of more than `limit` bytes (0: any) would be made.
TarStream as_tar(std::unique_ptr<Input> plain, const std::string& name, const std::string& directory, std::uint64_t limit);

}  // namespace udocker::archive
