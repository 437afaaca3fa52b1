// CPU sets by text.
#pragma once
#include <string>
#include <vector>

namespace udocker::host {

// "0,2-3" as numbers; throws UsageError naming the text on anything else.
std::vector<int> parse_cpu_list(const std::string& text);
// Binds this process, and what it executes, to these CPUs; throws SystemError.
void bind_to_cpus(const std::vector<int>& cpus);

}  // namespace udocker::host
