// Protection of containers and images against deletion.
#pragma once
#include <string>

namespace udocker::ops {

class Session;

enum class Protection { off, on };

// `name` is a container's id or name, else an image. Throws Error with the Python tool's words when it is neither.
void set_protection(Session& session, const std::string& name, Protection protection);

}  // namespace udocker::ops
