#include "elf/shrink.hpp"

#include "elf/codec.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <fcntl.h>

namespace udocker::elf {

namespace {

// The machine a library is for; nothing when there is no such file or it is no ELF file.
std::optional<std::uint64_t> machine_of(const std::string& path, const Codec& codec) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::uint8_t head[20];
  if (!fd) return std::nullopt;
  try {
    if (read_full(fd.get(), head, sizeof head, path) != sizeof head || !looks_like_elf(head)) return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
  return codec.get(head + 18, 2);
}

}  // namespace

void shrink_rpath(Editor& editor, const std::vector<std::string>& allowed, RpathTag tag) {
  const auto old = editor.rpath();
  if (!old) return;
  std::vector<std::string> open = editor.needed(), kept;
  for (const std::string& element : split(*old, ':')) {
    const bool permitted = allowed.empty() || std::any_of(allowed.begin(), allowed.end(), [&](const std::string& p) {
      return element.starts_with(p);
    });
    if (!permitted) continue;
    if (!element.starts_with('/')) {
      kept.push_back(element);
      continue;
    }
    const auto found = [&](const std::string& name) {
      return machine_of(cat(element, "/", name), editor.tables().codec) == editor.tables().machine;
    };
    if (std::erase_if(open, found) != 0) kept.push_back(element);
  }
  const std::string path = join(kept, ":");
  if (path != *old) editor.set_rpath(path, tag);
}

}  // namespace udocker::elf
