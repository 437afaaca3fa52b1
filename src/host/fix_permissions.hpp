// Making a tree the user's own.
#pragma once
#include <string>

namespace udocker::host {

// Gives the user every file below `root` (files of subordinate ids need newuidmap and ranges in /etc/subuid), then
// lets the owner read and write all of it. Links are not followed. Throws Error naming the first file that stays.
void fix_permissions(const std::string& root);

}  // namespace udocker::host
