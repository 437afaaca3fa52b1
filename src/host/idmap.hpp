// User and group id maps of user namespaces.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace udocker::host {

struct IdRange {
  std::uint32_t inside = 0, outside = 0, size = 1;
};

// The text for /proc/PID/uid_map. Pure.
std::string map_text(const std::vector<IdRange>& ranges);
// True when a process without privilege may write these maps itself: one id, its own.
bool maps_only_self(const std::vector<IdRange>& uids, const std::vector<IdRange>& gids, uid_t uid, gid_t gid);

// Writes the maps of the process that calls it, in its own new user namespace, and gives setgroups up for them.
// Returns 0 or errno.
int write_own_maps(const std::vector<IdRange>& uids, const std::vector<IdRange>& gids);

// Writes the maps of a child: directly with privilege, else by newuidmap and newgidmap.
// Throws NotSupported with the reason and what to use instead.
void write_child_maps(pid_t child, const std::vector<IdRange>& uids, const std::vector<IdRange>& gids);

// The range a user owns in the text of /etc/subuid or /etc/subgid: the first line for its name or number.
std::optional<IdRange> find_subordinate_range(std::string_view text, std::string_view name, std::uint32_t id);

// All ids this process can name: for an identity map made by root.
std::vector<IdRange> identity_map(std::string_view own_map_text);

}  // namespace udocker::host
