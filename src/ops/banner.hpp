// The start banner (compatibility spec 1.11).
#pragma once
#include "engine/plan.hpp"

#include <string>

namespace udocker::ops {

// Seven lines; the frame's character depends on the engine.
std::string banner_text(engine::Family family, const std::string& container_id, const std::string& program);

}  // namespace udocker::ops
