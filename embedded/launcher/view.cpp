#include "embedded/launcher/view.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace udocker::launcher {

Entry look_at_host(const std::string& host_path) {
  struct stat info {};
  if (::lstat(host_path.c_str(), &info) != 0) return {};
  if (S_ISDIR(info.st_mode)) return {Kind::directory, {}};
  if (!S_ISLNK(info.st_mode)) return {Kind::file, {}};
  char target[4096];
  ssize_t size = ::readlink(host_path.c_str(), target, sizeof target);
  return {Kind::link, std::string(target, size > 0 ? static_cast<std::size_t>(size) : 0)};
}

View::View(std::string root, Look look) : look_(std::move(look)) { add("/", Behind::host, std::move(root), Kind::directory); }

static std::string key_of(const std::string& guest) { return guest == "/" ? std::string() : guest; }

std::size_t View::add(const std::string& guest, Behind behind, std::string host, Kind kind) {
  std::string key = key_of(guest);
  std::erase_if(mounts_, [&](const auto& item) { return starts_with_word(item.first, key) && item.first != key; });
  std::erase_if(entries_, [&](const auto& item) { return starts_with_word(item.first, key) && item.first != key; });
  mounts_[key] = {behind, std::move(host), kind, count_};
  return count_++;
}

void View::add_entry(const std::string& guest, Kind kind, std::string target) {
  entries_.insert_or_assign(guest, Entry{kind, std::move(target)});
}

Entry View::step(const Cursor& from, const std::string& name, Cursor& to) const {
  to = {cat(from.guest, "/", name), from.behind, from.host.empty() ? std::string() : cat(from.host, "/", name), from.number};
  if (auto found = mounts_.find(to.guest); found != mounts_.end()) {
    to.behind = found->second.behind;
    to.host = found->second.host;
    to.number = found->second.number;
    return {found->second.kind, {}};
  }
  if (auto found = entries_.find(to.guest); found != entries_.end()) return found->second;
  if (from.behind == Behind::kernel) return {Kind::directory, {}};  // the act finds out
  if (from.behind == Behind::scratch || to.host.empty()) return {};
  return look_(to.host);
}

Place View::resolve(const std::string& path, bool keep_link) const {
  const Mounted& root = mounts_.at("");
  const Cursor top{"", root.behind, root.host, root.number};
  std::vector<Cursor> way{top};
  std::vector<std::string> todo;
  auto push = [&](std::string_view text) {
    auto parts = split(text, '/');
    for (std::size_t i = parts.size(); i-- > 0;)
      if (!parts[i].empty() && parts[i] != ".") todo.push_back(parts[i]);
  };
  push(path);
  Place place;
  place.kind = Kind::directory;
  std::string last_link;  // the link that was the last part of what the caller named
  Cursor before_link = top;
  bool tail_of_link = false;
  for (int links = 0; !todo.empty();) {
    std::string name = std::move(todo.back());
    todo.pop_back();
    if (name == "..") {
      if (way.size() > 1) way.pop_back();
      continue;
    }
    Cursor next;
    Entry entry = step(way.back(), name, next);
    if (entry.kind == Kind::link) {
      if (++links > 40) throw Error(cat("mount ", path, ": too many symbolic links"));
      if (todo.empty() && !tail_of_link) {
        last_link = next.guest;
        before_link = way.back();
        tail_of_link = true;
      }
      if (entry.target.starts_with('/')) way.assign(1, top);
      push(entry.target);
      continue;
    }
    if (entry.kind == Kind::missing || (entry.kind == Kind::file && !todo.empty())) {
      const Cursor& base = way.back();
      place.kind = Kind::missing;
      place.missing.push_back(name);
      while (!todo.empty()) {
        if (todo.back() == "..") throw Error(cat("mount ", path, ": a missing directory is left again with .."));
        place.missing.push_back(todo.back());
        todo.pop_back();
      }
      if (entry.kind == Kind::file) throw Error(cat("mount ", path, ": ", next.guest, " is not a directory"));
      place.base = base.guest.empty() ? "/" : base.guest;
      place.base_host = base.host;
      place.behind = base.behind;
      place.owner = base.number;
      place.path = cat(base.guest, "/", join(place.missing, "/"));
      break;
    }
    way.push_back(next);
    place.kind = entry.kind;
  }
  if (place.kind == Kind::missing && tail_of_link && keep_link) {
    place.dangling = true;
    place.path = last_link;
    place.behind = before_link.behind;
    place.base = before_link.guest.empty() ? "/" : before_link.guest;
    place.missing.clear();
    return place;
  }
  if (place.kind == Kind::missing) return place;
  const Cursor& here = way.back();
  place.path = here.guest.empty() ? "/" : here.guest;
  place.base = place.path;
  place.base_host = here.host;
  place.behind = here.behind;
  place.owner = here.number;
  return place;
}

}  // namespace udocker::launcher
