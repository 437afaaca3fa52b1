// ELF files on disk: reading whole files, and writing an edited one over the old without a new inode.
#pragma once
#include "elf/codec.hpp"

#include <string>

namespace udocker::elf {

// The whole file. Throws SystemError; IntegrityError when it is no regular file or larger than 4 GiB.
Bytes load_bytes(const std::string& path);

// Changes the file from `before` (its present content) to `after`: inode, mode and owner stay, times change. What
// has been added is written first and cut off again when that fails, so that a full disk leaves the old file.
// A file without write permission is opened up for the moment when it is ours. Throws SystemError.
void store_in_place(const std::string& path, ByteView before, ByteView after);

}  // namespace udocker::elf
