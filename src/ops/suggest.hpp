// What a person may have meant by a name that nothing here has: the end of an error's sentence.
#pragma once
#include <string>

namespace udocker::ops {

class Session;

// " (did you mean X?)" for the local image or container nearest to `typed`; "" when none is near. Never throws.
std::string suggest_image(Session& session, const std::string& typed);
std::string suggest_container(Session& session, const std::string& typed);
std::string suggest_any(Session& session, const std::string& typed);

}  // namespace udocker::ops
