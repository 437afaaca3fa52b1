// export: a container's root file system, or the whole container, as a tar archive.
#pragma once
#include "ops/session.hpp"

#include <string>

namespace udocker::ops {

enum class ExportWhat { root, container };

// Writes a tar archive to `output` ("-": stdout). Owners, modes and devices are those that the guest sees: what the
// side store does not know belongs to root when it belongs to the user. Hard links, holes and extended attributes are
// kept; names are sorted, so that the same tree gives the same bytes. Of ROOT alone, what execution modes changed in it
// (links, loader, programs) is written as it was before. An existing file is replaced when all is written.
void export_container(Session& session, const std::string& id_or_name, const std::string& output, ExportWhat what);

}  // namespace udocker::ops
