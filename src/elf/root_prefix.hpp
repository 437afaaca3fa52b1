// The root prefix of modes F3 and F4: names inside an ELF file made to lie under a directory of the host, and back.
// The form is shared with containers of the Python tool: `P` + `/` + old name, so absolute names give `P//…`.
#pragma once
#include "elf/editor.hpp"
#include "elf/view.hpp"

#include <string>

namespace udocker::elf {

// True when set_root_prefix (or restore) would change the file: a cheap look before the file is copied for editing.
bool wants_root_prefix(const View& view, const std::string& prefix);
bool has_root_prefix(const View& view, const std::string& prefix);

// Interpreter, search path elements and absolute needed names get the prefix, unless they begin with it or with
// $ORIGIN. Parts that the file lacks are skipped.
void set_root_prefix(Editor& editor, const std::string& prefix);
// Takes `P/` away from the same three places.
void restore_root_prefix(Editor& editor, const std::string& prefix);

}  // namespace udocker::elf
