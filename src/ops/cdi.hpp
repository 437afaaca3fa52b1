// Container Device Interface: specifications in JSON that say what a device needs in a container
// (github.com/cncf-tags/container-device-interface, version 1.1.0).
#pragma once
#include "engine/plan.hpp"
#include "util/json.hpp"

#include <string>
#include <utility>
#include <vector>

namespace udocker::ops {

// What is to be done for all requested devices together.
struct CdiEdits {
  std::vector<std::string> environment;                      // K=V
  std::vector<engine::Bind> devices, mounts;
  std::vector<std::pair<std::string, std::string>> links;    // guest path of the link, its text
  std::vector<std::string> library_dirs;                     // for the loader's cache, guest paths
};

// "vendor.com/class=name", as against a path of a device.
bool is_cdi_name(const std::string& text);

// The directories searched: UDOCKER_CDI_SPEC_DIRS (`:` between), else /etc/cdi and /var/run/cdi.
std::vector<std::string> cdi_spec_dirs();

// Reads the *.json files of `dirs` (later directories win) and collects the edits of the named devices.
// Throws Error with exit code 2 naming the devices that there are when one is not, and for a file that is no CDI document.
CdiEdits resolve_cdi(const std::vector<std::string>& names, const std::vector<std::string>& dirs);

// One containerEdits object. Hooks other than links, loader cache and modes give a warning. Pure but for that.
void add_cdi_edits(const json::Value& edits, CdiEdits& out);

}  // namespace udocker::ops
