// Container Device Interface: specifications in JSON or YAML that say what a device needs in a container
// (github.com/cncf-tags/container-device-interface, version 1.1.0).
#pragma once
#include "engine/plan.hpp"
#include "util/json.hpp"

#include <map>
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

// Reads the *.json and *.yaml files of `dirs` (later directories win) and collects the edits of the named devices. A file
// that cannot be read, or is no CDI document, gives a warning. Throws Error with exit code 2 naming the devices that there
// are when one is not.
CdiEdits resolve_cdi(const std::vector<std::string>& names, const std::vector<std::string>& dirs);

// The mounts that are libraries in directories for the loader's cache.
std::vector<engine::Bind> cdi_libraries(const CdiEdits& edits);
// All names that a program may open them by (file, soname, links), each with its host path.
std::map<std::string, std::string> cdi_library_names(const CdiEdits& edits);

// One containerEdits object. Hooks other than links, loader cache and modes give a warning. Pure but for that.
void add_cdi_edits(const json::Value& edits, CdiEdits& out);

}  // namespace udocker::ops
