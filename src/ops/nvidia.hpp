// NVIDIA driver files of the host in a container (manual section 5).
#pragma once
#include "store/repository.hpp"

#include <string>
#include <vector>

namespace udocker::ops {

class Session;

enum class NvidiaReplace { no, yes };

// What a host's driver consists of: found by the version of libcuda, not by a fixed list of names.
struct NvidiaDriver {
  std::string version;                     // "570.86.15"
  std::vector<std::string> libraries;      // host paths of files *.so.VERSION and their companions
  std::vector<std::string> links;          // host paths of symbolic links to them
  std::vector<std::string> programs;       // host paths below /usr/bin
  std::vector<std::string> data;           // host paths of JSON and icd files
};

// Looks in `library_dirs`, then in the host's usual places; `root` is put before all of them ("" for the host itself,
// a made-up tree in tests). version is empty when there is no driver.
NvidiaDriver find_nvidia_driver(const std::string& root, const std::vector<std::string>& library_dirs);

// Copies the driver's files into the container and records them in CDIR/nvidia.files; writes the marker CDIR/nvidia.
// Files of the image are not replaced unless asked. Throws Error when the host has no driver or files stand in the way.
void setup_nvidia(Session& session, const store::Container& container, NvidiaReplace replace);
// Removes what setup_nvidia recorded, and the marker.
void remove_nvidia(const store::Container& container);
bool has_nvidia(const store::Container& container);
// Version that was copied; "" when unknown.
std::string nvidia_version(const store::Container& container);

}  // namespace udocker::ops
