// Where a container's libraries lie: the order of the search path of F modes.
#include "engine/fmode.hpp"

#include "util/file.hpp"
#include "util/strings.hpp"

#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include <sys/stat.h>

namespace udocker::engine {

namespace {

constexpr const char* kEssential[] = {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu",
                                      "/usr/lib/aarch64-linux-gnu", "/lib/powerpc64le-linux-gnu",
                                      "/usr/lib/powerpc64le-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
                                      "/usr/local/lib"};

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  if (at + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

std::vector<std::string> cached_library_dirs(const std::string& cache) {
  constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
  constexpr std::size_t kHead = 48, kEntry = 24;
  std::vector<std::string> dirs;
  std::set<std::string> seen;
  const std::size_t start = cache.find(kMagic);
  if (start == std::string::npos) return dirs;
  const std::uint32_t count = number_at(cache, start + kMagic.size());
  for (std::uint32_t i = 0; i < count; i++) {
    const std::size_t entry = start + kHead + i * kEntry;
    if (entry + kEntry > cache.size()) break;
    const std::size_t text = start + number_at(cache, entry + 8);
    const std::size_t end = text < cache.size() ? cache.find('\0', text) : std::string::npos;
    if (end == std::string::npos || cache[text] != '/') continue;
    std::string dir = path_dirname(std::string_view(cache).substr(text, end - text));
    if (seen.insert(dir).second) dirs.push_back(std::move(dir));
  }
  return dirs;
}

std::string fmode_library_path(const std::string& container_dir) {
  const std::string root = real_path(container_dir + "/ROOT");
  std::vector<std::string> dirs;
  std::set<std::string> seen;
  const auto add = [&](const std::string& host) {
    if (host.find_first_of(":;") == std::string::npos && seen.insert(host).second && is_directory(host)) dirs.push_back(host);
  };
  // Directories have parents in common: each is looked at once, and what is found is canonical. A cache may hold any text.
  std::map<std::string, std::optional<std::string>> known{{"/", root}, {".", std::nullopt}};
  const std::function<std::optional<std::string>(const std::string&)> find = [&](const std::string& guest) {
    if (const auto found = known.find(guest); found != known.end()) return found->second;
    if (absolute_path(guest) != guest) return find_in_root(root, guest);
    const auto parent = find(path_dirname(guest));
    auto host = parent ? std::optional(cat(*parent, "/", path_basename(guest))) : std::nullopt;
    struct stat st;
    if (host && ::lstat(host->c_str(), &st) != 0) host.reset();
    else if (host && S_ISLNK(st.st_mode)) host = find_in_root(root, guest);
    return known[guest] = host;
  };
  const auto add_guest = [&](const std::string& guest) {
    if (const auto host = find(guest)) add(*host);
  };
  for (const char* dir : kEssential) add_guest(dir);
  if (const auto cache = find_in_root(root, "/etc/ld.so.cache"))
    for (const std::string& dir : cached_library_dirs(find_file(*cache).value_or(""))) add_guest(dir);
  for (const std::string& dir : split(load_library_dirs(container_dir), ':')) add(dir);
  dirs.push_back(".");
  return join(dirs, ":");
}

}  // namespace udocker::engine
