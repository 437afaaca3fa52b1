// Space taken by a tree.
#pragma once
#include <cstdint>
#include <string>

namespace udocker::host {

// Bytes of disk that a tree takes on its own file system, a file with several names counted once. What cannot be
// read counts as nothing.
std::uint64_t disk_usage(const std::string& path);

}  // namespace udocker::host
