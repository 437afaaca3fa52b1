// Which container a `run` is about: found, made from an image, or a foreign directory tree.
#pragma once
#include "ops/run_options.hpp"
#include "store/repository.hpp"

#include <optional>

namespace udocker::ops {

class Session;

// The container that `options` name, by the steps of compatibility spec 1.9: container, local image, pulled image,
// the carried image `hello`. Gives it options.name when one is asked for. Throws Error when there is none.
store::Container find_run_target(Session& session, const RunOptions& options);

}  // namespace udocker::ops
