// The guest's dynamic loader: finding it, and taking the host's directories out of it.
#include "engine/fmode_parts.hpp"

#include "elf/disk.hpp"
#include "elf/view.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>

namespace udocker::engine {

namespace {

std::string_view as_text(const elf::Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

elf::ByteView as_bytes(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

void replace_all(std::string& bytes, std::string_view from, std::string_view to) {
  for (std::size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + from.size()))
    bytes.replace(at, from.size(), to);
}

std::string loader_host_path(const std::string& container_dir, const std::string& root) {
  const auto guest = find_guest_loader(container_dir);
  if (!guest) throw Error("no dynamic loader in the container: its programs are static, use a P or R mode");
  const auto host = find_in_root(root, *guest);
  if (!host) throw Error(cat("the container's programs want the loader ", printable(*guest), ", which is missing"));
  return *host;
}

// Changes the content, keeps inode and times.
void rewrite(const std::string& path, std::string_view before, std::string_view after) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) throw_errno("cannot read", path);
  elf::store_in_place(path, as_bytes(before), as_bytes(after));
  const timespec times[2] = {st.st_atim, st.st_mtim};
  static_cast<void>(::utimensat(AT_FDCWD, path.c_str(), times, 0));
}

bool mixed_from(std::string_view bytes, std::string_view original, std::string_view patched) {
  if (bytes.size() != original.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); i++)
    if (bytes[i] != original[i] && bytes[i] != patched[i]) return false;
  return true;
}

// True for the original, its patched forms, and what a killed rewrite leaves.
bool made_from(std::string_view bytes, const std::string& original) {
  return mixed_from(bytes, original, neutral_loader(original)) || mixed_from(bytes, original, pythons_loader(original));
}

std::optional<std::string> interpreter_of(const std::string& path) {
  try {
    const elf::Bytes bytes = elf::load_bytes(path);
    if (!elf::looks_like_elf(bytes)) return std::nullopt;
    const auto name = elf::View(bytes).interpreter();
    return name ? std::optional<std::string>(*name) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

std::optional<std::string> find_in_root(const std::string& root, const std::string& guest_path) {
  std::vector<std::string> open, done;
  const auto push = [&](std::string_view path) {
    std::vector<std::string> parts = split(path, '/');
    open.insert(open.end(), parts.rbegin(), parts.rend());
  };
  push(guest_path);
  unsigned links = 0;
  while (!open.empty()) {
    const std::string part = std::move(open.back());
    open.pop_back();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!done.empty()) done.pop_back();
      continue;
    }
    done.push_back(part);
    const std::string host = cat(root, "/", join(done, "/"));
    if (const auto target = find_link(host)) {
      if (++links > 40) return std::nullopt;
      done.pop_back();
      if (target->starts_with('/')) done.clear();
      push(starts_with_word(*target, root) ? target->substr(root.size()) : *target);
      continue;
    }
    struct stat st;
    if (::lstat(host.c_str(), &st) != 0) return std::nullopt;
  }
  return done.empty() ? root : cat(root, "/", join(done, "/"));
}

std::optional<std::string> find_guest_loader(const std::string& container_dir) {
  const std::string note = container_dir + "/ld.so.path";
  if (const auto known = find_file(note, 4096); known && !trim(*known).empty()) return std::string(trim(*known));
  const std::string root = real_path(container_dir + "/ROOT");
  const std::string prefix = root + "/";
  std::map<std::string, int> votes;
  int seen = 0;
  for (const char* directory : {"/bin", "/usr/bin", "/lib64", "/sbin", "/usr/local/bin"}) {
    const auto host = find_in_root(root, directory);
    if (!host || !is_directory(*host)) continue;
    for (const std::string& name : list_directory(*host)) {
      const auto file = find_in_root(root, cat(directory, "/", name));
      if (!file || !is_regular(*file)) continue;
      auto interpreter = interpreter_of(*file);
      if (!interpreter) continue;
      if (interpreter->starts_with(prefix)) interpreter = interpreter->substr(prefix.size());
      if (interpreter->starts_with('/')) votes[*interpreter]++;
      if (++seen >= 12) break;
    }
    if (seen >= 12) break;
  }
  if (votes.empty()) return std::nullopt;
  const auto best = std::max_element(votes.begin(), votes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  try {
    make_file(note, best->first);
  } catch (const SystemError&) {
    // A container that cannot be written is looked at each time.
  }
  return best->first;
}

std::string neutral_loader(std::string bytes) {
  using namespace std::string_view_literals;
  if (bytes.find("/etc/ld-musl-"sv) != std::string::npos) {
    // This loader is the libc too, which needs its other names; it takes its search path from one text.
    replace_all(bytes, "/etc/ld-musl-"sv, "/\1tc/ld-musl-"sv);
    replace_all(bytes, "\0/lib:/usr/local/lib:/usr/lib\0"sv, "\0/\1ib:/\1sr/local/lib:/\1sr/lib\0"sv);
    return bytes;
  }
  // Directories and files that do not exist, where the Python tool leaves "/": that one cannot be read as a library,
  // which newer loaders take for a fatal error.
  replace_all(bytes, "\0/etc/ld.so"sv, "\0/\1tc/ld.so"sv);
  replace_all(bytes, "\0/lib"sv, "\0/\1ib"sv);
  replace_all(bytes, "\0/usr"sv, "\0/\1sr"sv);
  replace_all(bytes, "\0LD_LIBRARY_PATH\0"sv, "\0LD_LIBRARY_REAL\0"sv);
  return bytes;
}

std::string pythons_loader(std::string bytes) {
  using namespace std::string_view_literals;
  replace_all(bytes, "\0/etc/ld.so"sv, "\0/\0\0\0\0\0\0\0\0\0"sv);
  replace_all(bytes, "\0/lib"sv, "\0/\0\0\0"sv);
  replace_all(bytes, "\0/usr"sv, "\0/\0\0\0"sv);
  replace_all(bytes, "\0LD_LIBRARY_PATH\0"sv, "\0LD_LIBRARY_REAL\0"sv);
  return bytes;
}

void patch_loader(const std::string& container_dir, const std::string& root) {
  const std::string loader = loader_host_path(container_dir, root), saved = container_dir + "/ld.so.orig";
  const std::string now(as_text(elf::load_bytes(loader)));
  std::optional<std::string> original = find_file(saved);
  // A loader that is neither the saved one nor made from it came with an upgrade inside the container.
  if (!original || !made_from(now, *original)) {
    struct stat st;
    if (::stat(loader.c_str(), &st) != 0) throw_errno("cannot read", loader);
    make_file(saved, now, st.st_mode & 0777);
    const timespec times[2] = {st.st_atim, st.st_mtim};
    static_cast<void>(::utimensat(AT_FDCWD, saved.c_str(), times, 0));
    original = now;
  }
  const std::string wanted = neutral_loader(*original);
  if (now != wanted) rewrite(loader, now, wanted);
}

void restore_loader(const std::string& container_dir, const std::string& root, Times times) {
  const std::string saved = container_dir + "/ld.so.orig";
  const std::optional<std::string> original = find_file(saved);
  if (!original) return;
  const std::string loader = loader_host_path(container_dir, root);
  const std::string now(as_text(elf::load_bytes(loader)));
  if (now != *original && made_from(now, *original)) rewrite(loader, now, *original);
  struct stat st;
  if (times == Times::recorded && ::stat(saved.c_str(), &st) == 0) {
    const timespec old[2] = {st.st_atim, st.st_mtim};
    static_cast<void>(::utimensat(AT_FDCWD, loader.c_str(), old, 0));
  }
  remove_file(saved);
}

std::string load_library_dirs(const std::string& container_dir) {
  const std::string note = container_dir + "/ld.lib.dirs";
  if (const auto known = find_file(note)) return *known;
  const std::string root = real_path(container_dir + "/ROOT");
  std::vector<std::string> dirs;
  for (const std::string& directory : scan_tree(root, 0).library_dirs) dirs.push_back(cat(root, "/", directory));
  const std::string text = join(dirs, ":");
  make_file(note, text);
  return text;
}

}  // namespace udocker::engine
