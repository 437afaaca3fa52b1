// The use case `pull`: an image from a registry into the local repository.
#pragma once
#include "oci/reference.hpp"
#include "ops/registry_access.hpp"

namespace udocker::ops {

class Session;

// Fetches what is missing (blobs in parallel, each checked) and makes or replaces the tag, atomic for readers.
// Throws Error "no files downloaded: reason"; what has arrived by then is kept for the next pull, the tag is untouched.
void pull_image(Session& session, const oci::ImageRef& ref, const RegistryOptions& options);

}  // namespace udocker::ops
