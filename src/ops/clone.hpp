// clone: a second container with the same content.
#pragma once
#include "ops/session.hpp"
#include "store/containers.hpp"

#include <string>

namespace udocker::ops {

// Copies everything of the container but its names. Nothing is visible before the copy is whole. A container in an F
// mode is set up again for its new place. `name` is set on the copy when given. Throws Error.
store::Container clone_container(Session& session, const std::string& id_or_name, const std::string& name);

// Sets a container up again for the place where it is now, when its mode needs that (F modes).
void redo_setup(const store::Container& container);

}  // namespace udocker::ops
