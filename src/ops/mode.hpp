// Which execution mode a container runs in.
#pragma once
#include "engine/plan.hpp"
#include "ops/run_options.hpp"
#include "store/repository.hpp"

#include <optional>

namespace udocker::ops {

class Session;

// The execution mode of this run: the option, else UDOCKER_SET_EXECUTION_MODE, else what `setup` chose, else the
// default. "auto" is decided here. Throws Error on a name that is no mode, or when the mode needs `setup` first.
engine::Mode choose_mode(Session& session, const RunOptions& options, const std::optional<store::Container>& container);

// The mode used when a container has none of its own.
engine::Mode default_mode(const config::Settings& settings);

}  // namespace udocker::ops
