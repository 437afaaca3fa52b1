// From a reference to the manifest of one image: indexes (also nested), platforms, attestations passed over.
#pragma once
#include "oci/manifest.hpp"
#include "oci/platform.hpp"
#include "registry/remote.hpp"

#include <optional>
#include <string>

namespace udocker::registry {

struct Resolved {
  Document document;  // of the manifest
  oci::Manifest manifest;
};

// Throws NetworkError, IntegrityError, or Error when no entry is for the platform (the message lists what there is).
Resolved resolve(Remote& remote, const std::string& reference, const oci::Platform& wanted);

}  // namespace udocker::registry
