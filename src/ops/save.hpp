// save: images as an archive that docker, podman, skopeo and the Python tool load.
#pragma once
#include "ops/session.hpp"
#include "store/images.hpp"

#include <string>
#include <vector>

namespace udocker::ops {

// Writes one archive with all the images to `output` ("-": stdout). Layers are written as they are stored, each once.
// The configuration of an image keeps its digest; for images without a true one (imported by the Python tool, or from
// old registries) it is completed. The same images always give the same bytes. Throws Error when an image or one of its
// layers is missing, or the file exists; the file appears only when it is whole.
void save_images(Session& session, const std::vector<store::ImageName>& names, const std::string& output);

}  // namespace udocker::ops
