// Texts made from the tables of applets: shell completions, the manual page, the README's table.
#pragma once
#include <string>

namespace udocker::cli {

std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();
std::string man_page(const std::string& version);  // groff, section 1
std::string markdown_commands();                   // table rows: | command | what it does |

}  // namespace udocker::cli
