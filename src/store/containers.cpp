#include "store/containers.hpp"

#include "host/fix_permissions.hpp"
#include "host/work_directory.hpp"
#include "store/images.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::store {

std::string make_id() {
  unsigned char b[16];
  for (std::size_t have = 0; have < sizeof b;) {
    ssize_t got = ::getrandom(b + have, sizeof b - have, 0);
    if (got < 0 && errno != EINTR) throw_errno("get random bytes", "for an identifier");
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  std::string h = hex(b, sizeof b);
  return cat(h.substr(0, 8), "-", h.substr(8, 4), "-", h.substr(12, 4), "-", h.substr(16, 4), "-", h.substr(20));
}

static bool is_plain_directory(const std::string& path) { return !find_link(path) && is_directory(path); }

Container::Container(Directories dirs, std::string id)
    : dirs_(std::move(dirs)), id_(std::move(id)), directory_(cat(dirs_.containers, "/", id_)) {}

std::string Container::path(std::string_view file) const { return cat(directory_, "/", file); }

std::vector<std::string> Container::names() const {
  std::vector<std::string> found;
  for (auto& [id, name] : Containers(dirs_).names())
    if (id == id_) found.push_back(name);
  return found;
}

std::optional<json::Value> Container::metadata() const {
  auto text = find_file(path("container.json"));
  if (!text || trim(*text).empty()) return std::nullopt;
  try {
    return json::parse(*text, path("container.json"));
  } catch (const IntegrityError&) {
    return std::nullopt;
  }
}

std::string Container::image() const { return std::string(trim(find_file(path("imagerepo.name")).value_or(""))); }

std::string Container::platform() const { return platform_text(metadata().value_or(json::Value())); }

std::optional<std::string> Container::execmode() const {
  auto text = find_file(path("execmode"));
  if (!text || trim(*text).empty()) return std::nullopt;
  return std::string(trim(*text));
}

void Container::set_execmode(std::string_view mode) const {
  make_file(path("execmode"), mode);
  make_file(path("root.path"), real_path(root()));
}

std::string Container::root_path() const { return std::string(trim(find_file(path("root.path")).value_or(""))); }
bool Container::is_protected() const { return path_exists(path("PROTECT")); }

void Container::set_protected(bool on) const {
  if (on) make_file(path("PROTECT"), "");
  else if (!is_protected()) throw Error("container is not protected");
  else remove_file(path("PROTECT"));
}

Lock Container::lock() const { return Lock::take(cat(dirs_.containers, "/.lock.", id_)); }

static std::string staging_entry(const Directories& dirs, const std::string& id) {
  return cat(dirs.staging(), "/", id);
}

// The staging place is removed when it is empty: between making it and locking in it somebody may do so.
static Lock lock_in_staging(const Directories& dirs, const std::string& path) {
  ScopeExit tidy([&dirs] { ::rmdir(dirs.staging().c_str()); });
  for (int attempt = 0;; ++attempt) {
    make_directories(dirs.staging());
    try {
      Lock lock = Lock::take(path);
      tidy.cancel();
      return lock;
    } catch (const SystemError& error) {
      if (error.errno_value() != ENOENT || attempt > 1000) throw;
    }
  }
}

NewContainer::NewContainer(const Directories& dirs)
    : dirs_(dirs), id_(make_id()), directory_(staging_entry(dirs_, id_)), lock_(lock_in_staging(dirs_, directory_ + ".lock")) {
  if (::mkdir(directory_.c_str(), 0777) != 0) throw_errno("create directory", directory_);
  ScopeExit undo([this] { ::rmdir(directory_.c_str()); });
  write_back_.emplace(directory_);
  if (::mkdir(root().c_str(), 0777) != 0) throw_errno("create directory", root());
  undo.cancel();
}

NewContainer::~NewContainer() {
  if (directory_.empty()) return;
  write_back_.reset();
  try {
    remove_tree(directory_);
  } catch (const Error&) {  // collected later: the name says it is nobody's once the lock is gone
  }
  lock_.release();
  ::rmdir(dirs_.staging().c_str());
}

void NewContainer::set_metadata(const json::Value& metadata) const {
  make_file(directory_ + "/container.json", json::to_line(metadata));
}
void NewContainer::set_image(std::string_view name) const { make_file(directory_ + "/imagerepo.name", name); }

Container NewContainer::commit(std::string_view name) {
  Container container(dirs_, id_);
  write_back_->finish();  // whoever sees it after a crash of the machine sees it whole
  std::string link = cat(dirs_.containers, "/", name);
  if (!name.empty()) {
    if (!Containers::is_valid_name(name)) throw Error("invalid container name or wrong format");
    if (::symlink(id_.c_str(), link.c_str()) != 0) {
      if (errno == EEXIST) throw Error("container name already exists");
      throw_errno("make name", link);
    }
  }
  if (::rename(directory_.c_str(), container.directory().c_str()) != 0) {
    int error = errno;
    if (!name.empty()) ::unlink(link.c_str());
    throw SystemError("rename to", container.directory(), error);
  }
  directory_.clear();
  sync_directory(dirs_.containers);
  lock_.release();
  ::rmdir(dirs_.staging().c_str());
  return container;
}

std::optional<Container> Containers::find(std::string_view text) const {
  if (text.empty() || text.find('/') != text.npos || text.starts_with('.')) return std::nullopt;
  std::string path = cat(dirs_.containers, "/", text);
  std::string id(text);
  if (auto target = find_link(path)) id = path_basename(*target);
  if (!is_plain_directory(cat(dirs_.containers, "/", id))) return std::nullopt;
  return Container(dirs_, id);
}

Container Containers::load(std::string_view text) const {
  if (auto container = find(text)) return *container;
  throw Error("container id or name not found");
}

std::vector<Container> Containers::list() const {
  std::vector<Container> found;
  for (const auto& entry : read_directory(dirs_.containers))
    if (entry.kind == EntryKind::directory && !entry.name.starts_with('.')) found.emplace_back(dirs_, entry.name);
  return found;
}

std::vector<std::pair<std::string, std::string>> Containers::names() const {
  std::vector<std::pair<std::string, std::string>> found;
  for (auto& entry : read_directory(dirs_.containers)) {
    if (entry.kind != EntryKind::link) continue;
    if (auto target = find_link(cat(dirs_.containers, "/", entry.name))) found.emplace_back(path_basename(*target), std::move(entry.name));
  }
  return found;
}

// Files of subordinate ids (left by fakeroot or R modes) are taken over first where the host allows it.
static void remove_whatever_owner(const std::string& path) {
  try {
    remove_tree(path);
  } catch (const SystemError& error) {
    if (error.errno_value() != EACCES && error.errno_value() != EPERM) throw;
    host::fix_permissions(path);
    remove_tree(path);
  }
}

void Containers::remove(const Container& container) const {
  std::string aside = staging_entry(dirs_, cat(container.id(), ".", unique_suffix()));
  Lock lock = lock_in_staging(dirs_, aside + ".lock");
  ::chmod(container.directory().c_str(), 0700);
  auto names = container.names();
  if (::rename(container.directory().c_str(), aside.c_str()) != 0) {
    if (errno == ENOENT) throw Error(cat("invalid container id ", container.id()));
    throw_errno("remove", container.directory());
  }
  for (const auto& name : names) ::unlink(cat(dirs_.containers, "/", name).c_str());
  ::unlink(cat(dirs_.containers, "/.lock.", container.id()).c_str());
  try {
    remove_whatever_owner(aside);
  } catch (const Error&) {  // what could not be removed stays in sight
    if (::rename(aside.c_str(), container.directory().c_str()) == 0)
      for (const auto& name : names) (void)!::symlink(container.id().c_str(), cat(dirs_.containers, "/", name).c_str());
    throw;
  }
  lock.release();
  ::rmdir(dirs_.staging().c_str());
}

std::size_t Containers::collect() const {
  std::size_t count = 0;
  std::string place = dirs_.staging();
  auto names = list_directory(place);
  for (const auto& name : names) {
    constexpr std::string_view kLock = ".lock";
    std::string path = cat(place, "/", name);
    bool is_tree = is_plain_directory(path);
    if (!is_tree && name.find(".lock.") != name.npos && !is_locked(path)) ::unlink(path.c_str());  // killed while locking
    if (!is_tree && (!name.ends_with(kLock) || is_plain_directory(path.substr(0, path.size() - kLock.size())))) continue;
    auto lock = Lock::try_take(is_tree ? path + ".lock" : path);
    if (!lock || !is_tree || !is_plain_directory(path)) continue;
    try {
      remove_whatever_owner(path);
      ++count;
    } catch (const Error& error) {
      log::debug("store", cat("left behind by a killed command: ", error.what()));
    }
  }
  if (!names.empty()) ::rmdir(place.c_str());
  return count;
}

std::size_t Containers::collect_work() const {
  std::size_t count = 0;
  for (const auto& container : list()) count += host::collect_work_directories(container.directory());
  return count;
}

bool Containers::has_name(std::string_view name) const { return find_link(cat(dirs_.containers, "/", name)).has_value(); }

bool Containers::is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 2048 && name.find_first_of("/. []") == name.npos;
}

void Containers::set_name(const Container& container, std::string_view name) const {
  if (!is_valid_name(name)) throw Error("invalid container name or wrong format");
  std::string link = cat(dirs_.containers, "/", name);
  if (::symlink(container.id().c_str(), link.c_str()) == 0) return;
  if (errno == EEXIST) throw Error("container name already exists");
  throw_errno("make name", link);
}

void Containers::remove_name(std::string_view name) const {
  std::string link = cat(dirs_.containers, "/", name);
  if (!is_valid_name(name) || !find_link(link) || ::unlink(link.c_str()) != 0) throw Error("removing container name");
}

}  // namespace udocker::store
