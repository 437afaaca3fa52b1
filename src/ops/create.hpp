// The use case `create`: a container from a local image.
#pragma once
#include "archive/extract.hpp"
#include "ops/session.hpp"
#include "store/repository.hpp"

#include <string>

namespace udocker::ops {

// Throws Error "create container: imagerepo is invalid" when there is no such image, "container name already exists"
// before any work; whatever fails, nothing is left. An empty `name` gives the container no name.
store::Container create_container(Session& session, const store::ImageName& image, const std::string& name);

// What the settings allow a container to hold.
archive::Limits unpack_limits(const config::Settings& settings);
// Warns when nothing in ROOT looks like a system's root directory.
void warn_if_strange(const std::string& root, const std::string& id);

}  // namespace udocker::ops
