// What two fuzz targets do with layers: apply them both ways and hold that both agree where both succeed.
#pragma once
#include "archive/apply.hpp"
#include "support.hpp"
#include "util/error.hpp"

namespace udocker::fuzz {

// `describe` gives the text of a root. `check` is called once both roots are gone, before they are compared.
template <typename Describe, typename Check>
void apply_both_ways(const std::string& place, const std::vector<archive::Layer>& layers, const Describe& describe, const Check& check) {
  archive::ApplyOptions options;
  options.limits = {1 << 20, 2000};
  std::string seen[2];
  bool done[2] = {};
  for (int way = 0; way < 2; ++way) {
    std::string root = place + "/root";
    make_directories(root);
    try {
      if (way == 0) archive::apply_top_down(root, layers, options);
      else archive::apply_bottom_up(root, layers, options);
      seen[way] = describe(root);
      done[way] = true;
    } catch (const Error&) {
    } catch (const archive::NeedsGeneral&) {
    }
    remove_tree(root);
  }
  check();
  if (done[0] && done[1] && seen[0] != seen[1]) {
    std::fprintf(stderr, "the two ways differ:\n%s---\n%s", seen[0].c_str(), seen[1].c_str());
    std::abort();
  }
}

}  // namespace udocker::fuzz
