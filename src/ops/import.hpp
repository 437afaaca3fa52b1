// import: an image or a container from an archive of a root file system, or a container from a clone archive.
#pragma once
#include "ops/session.hpp"
#include "store/containers.hpp"
#include "store/images.hpp"

#include <string>

namespace udocker::ops {

// The archive may be tar in any compression, cpio, zip and others; "-" is stdin.
struct ImportSource {
  std::string file;
  std::string platform;  // os/architecture[/variant] to note; "" is the host's
};

enum class Original { keep, remove };

// Makes a v2 image of one layer; the digest of the layer is returned. Throws Error when the tag exists. With
// Original::remove the file is moved into the repository, or deleted after it has been copied.
std::string import_image(Session& session, const ImportSource& source, const store::ImageName& image, Original original);

// A container straight from the archive; `image` is noted as its image.
store::Container import_container(Session& session, const ImportSource& source, const std::string& image, const std::string& name);

// A container from what `export --clone` wrote. An archive that is none is taken as a root file system, with a warning.
store::Container import_clone(Session& session, const ImportSource& source, const std::string& name);

}  // namespace udocker::ops
