// Control groups, version 2 only: a group of the container's own where the host lets us make one, else none.
#pragma once
#include "util/json.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace udocker::host {

enum class Demand { silent, required };

// Mount point of the version 2 hierarchy ("/sys/fs/cgroup", or "/sys/fs/cgroup/unified"), nothing when there is none.
std::optional<std::string> find_cgroup2_mount();
// This process's group inside it, from the text of /proc/self/cgroup: "/user.slice/…".
std::string own_cgroup(std::string_view proc_self_cgroup);

// Makes a group: `wanted` (config cgroupsPath) or a name made of `id`, below our own group or the top. Returns its
// directory, "" when the host does not let us and `demand` is silent; throws NotSupported when it is required.
std::string make_cgroup(const std::string& wanted, const std::string& id, Demand demand);
// Moves a process in. False when refused.
bool join_cgroup(const std::string& directory, pid_t pid);
// Writes the limits of linux.resources. Controllers that are not delegated are passed over unless required.
void apply_resources(const std::string& directory, const json::Value& resources, Demand demand);
// File name and text for each limit of linux.resources in version 2 terms. Pure.
struct CgroupSetting {
  std::string file, text;
};
std::vector<CgroupSetting> plan_resources(const json::Value& resources);

bool set_frozen(const std::string& directory, bool frozen);  // waits until it is so; false when it cannot be
bool is_frozen(const std::string& directory);
std::vector<pid_t> cgroup_processes(const std::string& directory);
bool kill_cgroup(const std::string& directory, int signal);
void remove_cgroup(const std::string& directory);

}  // namespace udocker::host
