#include "host/cpus.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <sched.h>

namespace udocker::host {

std::vector<int> parse_cpu_list(const std::string& text) {
  std::vector<int> cpus;
  for (const auto& part : split(text, ',')) {
    auto dash = part.find('-');
    auto first = parse_number(part.substr(0, dash));
    auto last = dash == std::string::npos ? first : parse_number(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= CPU_SETSIZE)
      throw UsageError(cat("invalid list of CPUs: ", printable(text), " (expected a form like 0,2-3)"));
    for (auto cpu = *first; cpu <= *last; ++cpu) cpus.push_back(static_cast<int>(cpu));
  }
  return cpus;
}

void bind_to_cpus(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu : cpus) CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) == 0) return;
  if (errno == EINVAL) throw Error("none of the CPUs asked for may be used here");
  throw_errno("bind to", "the CPUs asked for");
}

}  // namespace udocker::host
