// The carried image: a shell and common tools in one static program, for places where nothing else is at hand.
#pragma once
#include "ops/session.hpp"
#include "store/repository.hpp"

#include <string>

namespace udocker::ops {

inline constexpr const char* kHelloImage = "hello:latest";

// Makes a container of it, as create and run do where no local image has its name. Throws NotSupported when this build carries none.
store::Container make_hello(Session& session, const std::string& name);

}  // namespace udocker::ops
