// Archives of whole containers: ROOT and the files beside it (export --clone, import --clone).
#pragma once
#include "archive/stream.hpp"

#include <memory>
#include <string>

namespace udocker::ops {

// Passes on what is below ROOT as a tar stream of that root, and writes the files beside it into `directory`, which it
// cannot leave. The first member decides: an archive that does not begin as a clone archive does is passed on as it is.
// `is_clone` is set before the first bytes come out. Throws IntegrityError, SystemError.
std::unique_ptr<archive::Input> read_clone_archive(std::unique_ptr<archive::Input> tar, const std::string& source,
                                                   const std::string& directory, bool& is_clone);

}  // namespace udocker::ops
