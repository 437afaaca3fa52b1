// Search paths without the directories that are of no use.
#pragma once
#include "elf/editor.hpp"

namespace udocker::elf {

// Keeps the absolute directories in which a needed library of the same machine is found first, and all relative ones;
// with `allowed` prefixes, only elements that begin with one of them. Looks at the disk.
void shrink_rpath(Editor& editor, const std::vector<std::string>& allowed, RpathTag tag);

}  // namespace udocker::elf
