// tmpcopyup: the content that a directory had before a tmpfs was mounted over it.
#pragma once
#include <string_view>

namespace udocker::launcher {

// Copies directories, files and links below `from` into `to` (both directory descriptors) with their modes, times and,
// where allowed, owners; devices and sockets are left out. `shown` names the place in messages. Throws SystemError.
void copy_up(int from, int to, std::string_view shown);

}  // namespace udocker::launcher
