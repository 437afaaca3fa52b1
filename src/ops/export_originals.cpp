#include "ops/export_originals.hpp"

#include "engine/fmode.hpp"
#include "engine/fmode_parts.hpp"
#include "engine/leftovers.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>

namespace udocker::ops {

namespace {

constexpr std::string_view kBindDir = "/.bind_host_files";

std::string note(const std::string& container_dir, const char* name) {
  return std::string(trim(find_file(cat(container_dir, "/", name), 1 << 20).value_or("")));
}

std::optional<std::uint64_t> size_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

Originals::Originals(const std::string& container_dir, const std::string& temporary_dir)
    : root_(real_path(container_dir + "/ROOT")), old_root_(note(container_dir, "root.path")) {
  auto mode = engine::find_mode(note(container_dir, "execmode"));
  has_turned_links_ = mode && engine::family_of(*mode) == engine::Family::preload;
  if (engine::has_file_binds(container_dir)) {
    has_binds_ = true;
    for (const auto& name : list_directory(container_dir + "/.bind_orig_files")) {
      std::string guest = name;
      std::replace(guest.begin(), guest.end(), '#', '/');
      auto target = find_link(root_ + guest);
      if (target && target->starts_with(kBindDir)) replaced_[guest.substr(1)] = cat(container_dir, "/.bind_orig_files/", name);
    }
  }
  auto state = engine::load_fmode_state(container_dir);
  if (state.loader_patched) {
    std::string saved = container_dir + "/ld.so.orig";
    auto guest = engine::find_guest_loader(container_dir);
    auto host = guest ? engine::find_in_root(root_, *guest) : std::nullopt;
    std::string path = host ? real_path(*host) : "";
    if (starts_with_word(path, root_) && size_of(path) == size_of(saved)) replaced_[path.substr(root_.size() + 1)] = saved;
  }
  if (!state.files_patched) return;
  undo_ = engine::load_undo(container_dir + "/patch.undo");
  for (std::size_t i = 0; i < undo_.size(); ++i) undo_of_[undo_[i].path].push_back(i);
  if (undo_.empty())
    log::warning("the container's programs carry paths of this host: do `udocker setup --execmode=P1` before the export to remove them");
  else
    temporary_ = std::make_shared<TempDir>(temporary_dir, "export");
}

std::string Originals::link_target(const std::string& target) const {
  return has_turned_links_ && target.starts_with('/') ? engine::restored_target(target, root_, old_root_) : target;
}

UniqueFd Originals::open_original(const std::string& path) const {
  if (auto found = replaced_.find(path); found != replaced_.end()) return open_fd(found->second, O_RDONLY | O_NOFOLLOW);
  auto records = undo_of_.find(path);
  if (records == undo_of_.end()) return {};
  std::string copy = temporary_->path() + "/program";
  remove_file(copy);
  {
    UniqueFd from = open_fd(cat(root_, "/", path), O_RDONLY | O_NOFOLLOW);
    UniqueFd to = open_fd(copy, O_WRONLY | O_CREAT | O_EXCL, 0600);
    std::vector<char> buffer(256 << 10);
    while (std::size_t got = read_full(from.get(), buffer.data(), buffer.size(), path)) write_all(to.get(), {buffer.data(), got}, copy);
  }
  bool changed = false;
  for (auto at = records->second.rbegin(); at != records->second.rend(); ++at) changed = engine::write_old(copy, undo_[*at]) || changed;
  UniqueFd fd;
  if (changed) fd = open_fd(copy, O_RDONLY | O_NOFOLLOW);
  return fd;
}

}  // namespace udocker::ops
