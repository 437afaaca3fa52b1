// Which execution modes this host can carry, and which is the best.
#pragma once
#include "engine/plan.hpp"
#include "host/probes.hpp"

#include <string>
#include <vector>

namespace udocker::engine {

struct ModeReport {
  Mode mode;
  bool works = false;
  std::string lacks;  // what it lacks here, "" when it works
  std::string note;   // what it does without while it works
};

// In the order of preference of `auto`: what runs any program first, the fastest of those first.
std::vector<ModeReport> judge_modes(const std::vector<host::Probe>& probes, bool apptainer_installed);

// The first of them that works and changes nothing in the container.
Mode best_mode(const std::vector<ModeReport>& reports);

// Probes kept in `folder` as JSON with the host's name, kernel and boot; probed anew when any of these differ.
// An unwritable folder is no error.
std::vector<host::Probe> cached_probes(const std::string& folder);
// Probes anew and keeps the answers there.
std::vector<host::Probe> fresh_probes(const std::string& folder);

}  // namespace udocker::engine
