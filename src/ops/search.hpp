// The use case `search`: repositories that match an expression, and the tags of one.
#pragma once
#include "config/settings.hpp"
#include "ops/registry_access.hpp"

#include <string>

namespace udocker::ops {

struct SearchOptions {
  RegistryOptions place;
  bool all_pages = false;  // do not stop at the end of a page
  bool whole_text = false;
};

// Prints a table on standard output, a page at a time where a person sits at a terminal. Nothing found is no failure,
// a registry that does not answer is a warning.
void search(const config::Settings& settings, const std::string& expression, const SearchOptions& options);
// Prints one tag per line. Throws Error.
void list_tags(const config::Settings& settings, const std::string& expression, const RegistryOptions& options);

}  // namespace udocker::ops
