#include "engine/plan.hpp"

#include "util/strings.hpp"

namespace udocker::engine {

namespace {
constexpr std::string_view kNames[] = {"P1", "P2", "T1", "T2", "F1", "F2", "F3", "F4", "R1", "R2", "R3", "S1"};
}

std::optional<Mode> find_mode(std::string_view text) {
  if (text.size() != 2) return std::nullopt;
  char letter = text[0] >= 'a' && text[0] <= 'z' ? static_cast<char>(text[0] - 'a' + 'A') : text[0];
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i][0] == letter && kNames[i][1] == text[1]) return static_cast<Mode>(i);
  return std::nullopt;
}

std::string_view mode_name(Mode mode) { return kNames[static_cast<std::size_t>(mode)]; }

char family_letter(Mode mode) { return mode_name(mode)[0]; }

Family family_of(Mode mode) {
  switch (family_letter(mode)) {
    case 'P': return Family::ptrace;
    case 'T': return Family::trap;
    case 'F': return Family::preload;
    case 'R': return Family::launcher;
    default: return Family::apptainer;
  }
}

std::string mode_names() {
  std::string out;
  for (auto name : kNames) out += cat(out.empty() ? "" : " ", name);
  return out;
}

}  // namespace udocker::engine
