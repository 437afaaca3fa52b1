// Resource limits by their docker names.
#pragma once
#include <string>

namespace udocker::host {

// Applies "name=soft[:hard]" (nofile, nproc, core, stack …; -1 and unlimited mean no limit) to this process and what
// it executes. Throws UsageError on a bad text, SystemError when the kernel refuses.
void set_limit(const std::string& text);

}  // namespace udocker::host
