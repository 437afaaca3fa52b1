// The use case `setup`: execution mode and housekeeping of one container.
#pragma once
#include "store/containers.hpp"

#include <string>

namespace udocker::ops {

class Session;

struct SetupOptions {
  std::string container;
  std::string execmode;  // empty: keep
  bool force = false, nvidia = false, no_nvidia = false, purge = false, fix_permissions = false;
};

// Puts right what a killed change of mode left in the container's tree, for commands that start programs. Nothing to do
// costs a few look-ups. Throws Error with the command to type when it cannot.
void finish_setup(const store::Container& container);

// In the order of the manual: purge, permissions, NVIDIA, mode. Without any of them it prints the mode.
// Throws Error; a mode change that was killed is finished by the next call.
void setup_container(Session& session, const SetupOptions& options);

// For files put into a container from outside: what its execution mode (F modes) changes in files is done to them too.
void prepare_new_files(const store::Container& container);

}  // namespace udocker::ops
