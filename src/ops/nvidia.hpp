// NVIDIA driver files of the host in a container (manual section 5).
#pragma once
#include "store/repository.hpp"

#include <optional>
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

// Where the driver is installed: "" is the host's own root, else UDOCKER_NVIDIA_DRIVER_ROOT (a driver container's tree).
std::string nvidia_driver_root();
// The kernel's side of the driver is there.
bool has_nvidia_hardware(const std::string& root);

// Looks in `library_dirs`, then in the usual places of `root`, and of the host's loader when it is the host's own.
// version is empty when there is no driver.
NvidiaDriver find_nvidia_driver(const std::string& root, const std::vector<std::string>& library_dirs);

// Device nodes below ROOT/dev for "all", or a list of numbers (as nvidia-smi counts), GPU-UUIDs and MIG slices.
// Throws Error naming a card that is not there.
std::vector<std::string> find_nvidia_devices(const std::string& root, const std::string& which);

// Copies the driver's files into the container, adds them to its ld.so.cache, records them in CDIR/nvidia.files; writes
// the marker CDIR/nvidia. Files of the image are not replaced unless asked; those replaced are kept in CDIR/nvidia.saved.
// Throws Error when the host has no driver, files stand in the way, or this driver is there already.
void setup_nvidia(Session& session, const store::Container& container, NvidiaReplace replace);
// Puts the container back as it was, and removes the marker.
void remove_nvidia(const store::Container& container);
bool has_nvidia(const store::Container& container);
// Version that was copied; "" when unknown.
std::string nvidia_version(const store::Container& container);

// The soname inside a library of the host; "" when there is none or it cannot be read.
std::string soname_of(const std::string& path);
// The text of the container's ld.so.cache with `libraries` (guest paths) put before what it names; nothing where
// the container has no such cache. Names are those of the files and of the sonames inside `hosts` (same order).
std::optional<std::string> extended_ld_cache(const std::string& cache, const std::vector<std::string>& libraries,
                                             const std::vector<std::string>& hosts);

}  // namespace udocker::ops
