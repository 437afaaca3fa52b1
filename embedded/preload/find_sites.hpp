// Finds the call sites that the object patches in the guest's libraries.
#pragma once
#include "embedded/preload/sites.hpp"

#include <string>

namespace udocker::preload {

// Fills `tables` for the libc and the loader found in `library_dirs` (host directories joined by ':'). What was found is
// kept in `cache_dir`, one small file for each library. A library that cannot be read or understood gets no table.
void find_sites(const std::string& library_dirs, const std::string& cache_dir, SiteTable (&tables)[kSiteTables]);

}  // namespace udocker::preload
