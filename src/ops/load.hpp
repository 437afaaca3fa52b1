// load: images from archives that docker, podman, skopeo, buildkit, umoci and udocker save.
//
// A loaded image becomes a v2 image: its blobs lie under their digests. The Python tool makes v1 images here, but reads
// both; v2 blobs can be verified, are shared with pulled images, and cannot collide as the ids of v1 layers can.
#pragma once
#include "ops/session.hpp"
#include "store/images.hpp"

#include <string>
#include <vector>

namespace udocker::ops {

struct LoadRequest {
  std::string file;        // a file, a directory with an OCI layout, or "-" for stdin
  std::string repository;  // new repository name for the images in it; "" keeps theirs
  std::string platform;    // which one of an image for several; "" is the host's
};

// The images that are in the repository afterwards, each name that was already there with the same content included.
// A name that is there with other content is left alone, with a message. Throws Error when nothing could be loaded.
std::vector<store::ImageName> load_images(Session& session, const LoadRequest& request);

}  // namespace udocker::ops
