// The use case `pull`: an image from a registry into the local repository.
#pragma once
#include "oci/reference.hpp"
#include "ops/registry_access.hpp"

namespace udocker::ops {

class Session;
using PullOptions = RegistryOptions;

// Fetches what is missing (blobs in parallel, each checked) and makes or replaces the tag, atomic for readers.
// Throws Error "no files downloaded: reason"; what has arrived by then is kept for the next pull, the tag is untouched.
void pull_image(Session& session, const oci::ImageRef& ref, const PullOptions& options);
// The same for an image as typed; throws UsageError when that is no image reference.
void pull_image(Session& session, const std::string& image, const PullOptions& options);

}  // namespace udocker::ops
