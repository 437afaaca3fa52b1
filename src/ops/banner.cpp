#include "ops/banner.hpp"

#include "util/file.hpp"
#include "util/strings.hpp"

namespace udocker::ops {

std::string banner_text(engine::Family family, const std::string& container_id, const std::string& program) {
  char c = family == engine::Family::ptrace      ? '*'
           : family == engine::Family::trap      ? '+'
           : family == engine::Family::preload   ? '#'
           : family == engine::Family::launcher  ? '%'
                                                 : '/';
  std::string bar = cat(" ", std::string(78, c), " \n");
  std::string blank = cat(" ", c, " ", std::string(74, ' '), " ", c, " \n");
  std::string title = cat("STARTING ", container_id);
  std::size_t room = title.size() < 74 ? 74 - title.size() : 0;
  std::string middle = cat(" ", c, " ", std::string(room / 2, ' '), title, std::string(room - room / 2, ' '), " ", c, " \n");
  return cat(" \n", bar, blank, middle, blank, bar, " executing: ", path_basename(program), "\n");
}

}  // namespace udocker::ops
