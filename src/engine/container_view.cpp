#include "engine/container_view.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>

namespace udocker::engine {

std::string normal_guest_path(std::string_view path) { return absolute_path(cat("/", path)); }

std::string ContainerView::host_of(const std::string& guest_path) const {
  const Bind* best = nullptr;
  for (const auto& bind : binds_)
    if (starts_with_word(guest_path, bind.guest) && (!best || bind.guest.size() >= best->guest.size())) best = &bind;
  if (best) return best->host + guest_path.substr(best->guest.size());
  return guest_path == "/" ? root_ : root_ + guest_path;
}

std::string ContainerView::canonical(const std::string& guest_path) const {
  std::vector<std::string> todo = split(guest_path, '/');
  std::reverse(todo.begin(), todo.end());
  std::string done;  // "" is the root
  int links = 0;
  while (!todo.empty()) {
    std::string part = std::move(todo.back());
    todo.pop_back();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      done.resize(done.empty() ? 0 : done.rfind('/'));
      continue;
    }
    std::string next = cat(done, "/", part);
    bool is_mount = std::any_of(binds_.begin(), binds_.end(), [&](const Bind& bind) { return bind.guest == next; });
    auto target = is_mount ? std::nullopt : find_link(host_of(next));
    if (!target || ++links > 40) {
      done = std::move(next);
      continue;
    }
    if (target->starts_with('/')) done.clear();
    // F modes keep absolute links as host paths.
    auto parts = split(starts_with_word(*target, root_) ? target->substr(root_.size()) : *target, '/');
    todo.insert(todo.end(), parts.rbegin(), parts.rend());
  }
  return done.empty() ? "/" : done;
}

std::optional<std::string> ContainerView::find(const std::string& guest_path) const {
  std::string host = host_of(canonical(guest_path));
  struct stat st;
  if (::lstat(host.c_str(), &st) != 0) return std::nullopt;
  return host;
}

bool ContainerView::is_directory(const std::string& guest_path) const {
  auto host = find(guest_path);
  return host && udocker::is_directory(*host);
}

bool ContainerView::is_executable(const std::string& guest_path) const {
  auto host = find(guest_path);
  struct stat st;
  return host && ::stat(host->c_str(), &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

std::optional<std::string> ContainerView::read(const std::string& guest_path) const {
  auto host = find(guest_path);
  if (!host || !is_regular(*host)) return std::nullopt;
  return load_file(*host, 1 << 20);
}

}  // namespace udocker::engine
