#include "embedded/trap/nested.hpp"

#include "embedded/trap/runtime/abi.hpp"
#include "host/self.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <sys/syscall.h>

namespace udocker::trap {
namespace {

struct Entry {
  std::string guest, host;
  std::uint16_t flags = 0;
  std::uint64_t parent_dev = 0, parent_ino = 0;
};

const guest::View& view_of(const Settings& settings) {
  return *reinterpret_cast<const guest::View*>(reinterpret_cast<const char*>(&settings) + settings.view_at);
}

std::string text_of(guest::Text text) { return {text.data, text.size}; }
guest::Text text_of(const std::string& text) { return {text.data(), text.size()}; }

std::vector<Entry> entries_of(const guest::View& view) {
  std::vector<Entry> out;
  for (std::size_t i = 0; i < view.mount_count; ++i)
    out.push_back({text_of(view.guest_of(view.mounts[i])), text_of(view.host_of(view.mounts[i])), view.mounts[i].flags,
                   view.mounts[i].parent_dev, view.mounts[i].parent_ino});
  return out;
}

// Where the outer mount at `path` is seen through `mount`; empty when it is not below it.
std::string seen_at(const Entry& mount, const std::string& path) {
  if (path == mount.host || !guest::contains_path(text_of(mount.host), text_of(path))) return {};
  std::string rest = mount.host == "/" ? path : path.substr(mount.host.size());
  return mount.guest == "/" ? rest : cat(mount.guest, rest);
}

}  // namespace

const Settings* find_outer() {
  static_assert(kSettingsAt == host::kTrapSettingsAt);
  if (!host::inside_trap_engine()) return nullptr;
  auto* at = reinterpret_cast<Settings*>(kSettingsAt);
  if (at->magic != kMagic || !at->raw_call)
    throw NotSupported("the trap engine this runs in is of another version", "use execution mode F1 here");
  return at;
}

std::string outer_path(const Settings& outer, const std::string& path) {
  if (path.empty() || path[0] != '/') return path;
  guest::HostPath host;
  guest::guest_to_host(view_of(outer), text_of(path), host);
  return text_of(host.text());
}

std::vector<char> merge_views(const Settings& outer, const std::vector<char>& view) {
  auto& inner = *reinterpret_cast<const guest::View*>(view.data());
  std::vector<Entry> own = entries_of(inner), all = own;
  for (Entry& entry : all) entry.host = outer_path(outer, entry.host);
  for (const Entry& other : entries_of(view_of(outer))) {
    if (other.guest == "/") continue;
    for (const Entry& mount : own) {
      std::string target = seen_at(mount, other.guest);
      bool covered = target.empty() || std::any_of(own.begin(), own.end(), [&](const Entry& nearer) {
                       return nearer.guest.size() > mount.guest.size() && guest::contains_path(text_of(nearer.guest), text_of(target));
                     });
      if (!covered)
        all.push_back({target, other.host, static_cast<std::uint16_t>(other.flags | (mount.flags & guest::kMountReadOnly)),
                       other.parent_dev, other.parent_ino});
    }
  }
  if (all.size() > guest::kMaxMounts) throw Error("too many binds for a container in a container");
  std::stable_sort(all.begin() + 1, all.end(), [](const Entry& a, const Entry& b) { return a.guest.size() > b.guest.size(); });

  std::vector<char> block(guest::kViewCapacity);
  auto& out = *reinterpret_cast<guest::View*>(block.data());
  std::memcpy(&out, &inner, offsetof(guest::View, text));
  std::size_t used = 0;
  auto keep = [&](const std::string& text, std::uint32_t& at) {
    if (offsetof(guest::View, text) + used + text.size() + 1 > block.size()) throw Error("the binds are too long");
    at = static_cast<std::uint32_t>(used);
    std::memcpy(out.text + used, text.c_str(), text.size() + 1);
    used += text.size() + 1;
    return static_cast<std::uint32_t>(text.size());
  };
  auto carry = [&](std::uint32_t& at, std::uint32_t& size, bool path) {
    std::string text = text_of(inner.at(at, size));
    size = keep(path ? outer_path(outer, text) : text, at);
  };
  carry(out.release, out.release_size, false);
  carry(out.hostname, out.hostname_size, false);
  carry(out.owners, out.owners_size, true);
  carry(out.emulator, out.emulator_size, true);
  out.host_uid = view_of(outer).host_uid;
  out.host_gid = view_of(outer).host_gid;
  out.mount_count = static_cast<std::uint16_t>(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    guest::Mount& mount = out.mounts[i];
    mount.guest_size = static_cast<std::uint16_t>(keep(all[i].guest, mount.guest));
    mount.host_size = static_cast<std::uint16_t>(keep(all[i].host, mount.host));
    mount.flags = all[i].flags;
    mount.parent_dev = all[i].parent_dev;
    mount.parent_ino = all[i].parent_ino;
    for (const Entry& other : all)
      if (other.guest != all[i].guest && guest::contains_path(text_of(all[i].guest), text_of(other.guest))) mount.flags |= guest::kMountHasChildren;
    if (mount.flags & guest::kMountReadOnly) out.flags |= guest::kHasReadOnly;
    if (mount.flags & guest::kMountUnlisted) out.flags |= guest::kHasUnlisted;
    std::string name = all[i].guest.substr(all[i].guest.rfind('/') + 1);
    if (!name.empty()) out.mount_names |= std::uint64_t{1} << (guest::hash_text(text_of(name)) & 63);
  }
  out.bytes = static_cast<std::uint32_t>((offsetof(guest::View, text) + used + 8) & ~std::size_t{7});
  block.resize(out.bytes);
  return block;
}

int execute_outside(const Settings& outer, const char* path, char* const* argv, char* const* envp) {
  using Call = long (*)(long, long, long, long, long, long, long);
  auto call = reinterpret_cast<Call>(outer.raw_call);
  return static_cast<int>(-call(SYS_execve, reinterpret_cast<long>(path), reinterpret_cast<long>(argv), reinterpret_cast<long>(envp), 0, 0, 0));
}

}  // namespace udocker::trap
