#include "ops/nvidia.hpp"

#include "elf/disk.hpp"
#include "elf/ld_cache.hpp"
#include "elf/view.hpp"
#include "engine/container_view.hpp"
#include "ops/session.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/json.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr const char* kCache = "/etc/ld.so.cache";

// Where libraries go: the loader's default directory that the container has.
std::string library_dir_of(const engine::ContainerView& view) {
  for (const char* dir : {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"})
    if (view.is_directory(dir)) return dir;
  throw Error("destination dir for nvidia libs not found");
}

void copy_file(const std::string& source, const std::string& target) {
  struct stat st;
  if (::stat(source.c_str(), &st) != 0) throw_errno("read", source);
  UniqueFd in = open_fd(source, O_RDONLY);
  AtomicFile out(target, (st.st_mode & 0755) | 0600);
  std::string buffer(1 << 20, '\0');
  while (std::size_t got = read_full(in.get(), buffer.data(), buffer.size(), source)) out.write(std::string_view(buffer).substr(0, got));
  out.commit();
}

// Host path of a guest path whose last part may not exist; links before it are followed inside.
std::string place_of(const store::Container& container, const engine::ContainerView& view, const std::string& guest) {
  return cat(container.root(), view.canonical(path_dirname(guest)), "/", path_basename(guest));
}

struct Step {
  std::string source, guest;
  bool is_link;
};

std::vector<Step> steps_for(const NvidiaDriver& driver, const std::string& root, const std::string& library_dir) {
  std::vector<Step> steps;
  auto place = [&](const std::string& path) {
    bool vdpau = path_basename(path_dirname(path)) == "vdpau";
    return cat(library_dir, vdpau ? "/vdpau/" : "/", path_basename(path));
  };
  auto add = [&](const std::string& source, const std::string& guest, bool is_link) {
    bool taken = std::any_of(steps.begin(), steps.end(), [&](const Step& step) { return step.guest == guest; });
    if (!taken) steps.push_back({source, guest, is_link});
  };
  for (const auto& path : driver.libraries) add(path, place(path), false);
  for (const auto& path : driver.links) add(path, place(path), true);
  for (const auto& path : driver.programs) add(path, cat("/usr/bin/", path_basename(path)), false);
  for (const auto& path : driver.data) {
    std::string guest = path.substr(root.size());
    add(path, guest.starts_with("/usr/local/nvidia") ? "/usr" + guest.substr(17) : guest, false);
  }
  return steps;
}

// The cache that is in force now loses or gets back what `remove_nvidia` takes away.
void restore_cache(const store::Container& container, const engine::ContainerView& view, const json::Value& record) {
  auto path = view.find(kCache);
  if (!path || record["cache"].as_string().empty()) return;
  std::string now = find_file(*path).value_or("");
  auto before = find_file(container.path("nvidia.saved/ld.so.cache"));
  if (before && sha256_hex(now) == record["cache"].as_string()) return make_file(*path, *before, 0644);
  elf::LdCache cache = elf::parse_ld_cache(now);
  std::erase_if(cache.entries, [&](const elf::LdCacheEntry& entry) {
    const auto& files = record["files"].as_array();
    return std::find(files.begin(), files.end(), json::Value(entry.path)) != files.end();
  });
  if (!cache.entries.empty()) make_file(*path, elf::format_ld_cache(cache), 0644);
}

}  // namespace

std::string soname_of(const std::string& path) {
  try {
    const elf::Mapped file(path, elf::Links::follow);
    return file.bytes().empty() ? "" : elf::View(file.bytes()).soname().value_or("");
  } catch (const Error&) {
    return "";
  }
}

std::optional<std::string> extended_ld_cache(const std::string& cache, const std::vector<std::string>& libraries,
                                             const std::vector<std::string>& hosts) {
  elf::LdCache old = elf::parse_ld_cache(cache), all;
  if (old.entries.empty()) return std::nullopt;
  utsname machine{};
  ::uname(&machine);
  all.hwcaps = old.hwcaps;
  auto add = [&](const std::string& name, const std::string& path) {
    bool known = std::any_of(all.entries.begin(), all.entries.end(), [&](const auto& entry) { return entry.name == name; });
    if (!known) all.entries.push_back({name, path, elf::ld_cache_flags(machine.machine), 0, 0});
  };
  for (const auto& library : libraries) add(path_basename(library), library);
  for (std::size_t i = 0; i < libraries.size(); ++i)
    if (std::string name = soname_of(hosts[i]); !name.empty()) add(name, libraries[i]);
  all.entries.insert(all.entries.end(), old.entries.begin(), old.entries.end());
  return elf::format_ld_cache(all);
}

bool has_nvidia(const store::Container& container) { return path_exists(container.path("nvidia")); }

std::string nvidia_version(const store::Container& container) {
  auto text = find_file(container.path("nvidia.files"));
  return text ? json::parse(*text, container.path("nvidia.files"))["version"].as_string() : "";
}

void remove_nvidia(const store::Container& container) {
  if (auto text = find_file(container.path("nvidia.files"))) {
    engine::ContainerView view(container.root(), {});
    json::Value record = json::parse(*text, container.path("nvidia.files"));
    for (const auto& file : record["files"].as_array()) {
      std::string guest = engine::normal_guest_path(file.as_string()), target = place_of(container, view, guest);
      remove_file(target);
      std::string saved = container.path("nvidia.saved") + guest;
      if (::rename(saved.c_str(), target.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) throw_errno("put back", target);
    }
    restore_cache(container, view, record);
    auto made = record["directories"].as_array();
    for (auto dir = made.rbegin(); dir != made.rend(); ++dir) ::rmdir((container.root() + engine::normal_guest_path(dir->as_string())).c_str());
  }
  remove_tree(container.path("nvidia.saved"));
  remove_file(container.path("nvidia.files"));
  remove_file(container.path("nvidia"));
}

void setup_nvidia(Session& session, const store::Container& container, NvidiaReplace replace) {
  std::string root = nvidia_driver_root();
  NvidiaDriver driver = find_nvidia_driver(root, session.settings().lib_dirs_list_nvidia);
  if (driver.version.empty()) throw Error("host nvidia libraries not found");
  if (has_nvidia(container) && replace == NvidiaReplace::no && nvidia_version(container) == driver.version)
    throw Error("nvidia installation already exists, use --force to overwrite");
  remove_nvidia(container);
  engine::ContainerView view(container.root(), {});
  auto steps = steps_for(driver, root.empty() ? "" : real_path(root), library_dir_of(view));
  json::Value record;
  record.at("version") = driver.version;
  record.at("files") = json::Array();
  record.at("directories") = json::Array();
  std::vector<std::string> libraries, hosts;
  for (const auto& step : steps) {
    if (view.find(step.guest) && replace == NvidiaReplace::no)
      throw Error(cat("the container has ", step.guest, " already, use --force to overwrite"));
    record.at("files").push_back(step.guest);
    std::string dir = view.canonical(path_dirname(step.guest));
    for (std::size_t slash = 1; slash != dir.npos; ) {
      slash = dir.find('/', slash + 1);
      json::Value part(dir.substr(0, slash));
      auto& made = record.at("directories").array();
      if (!path_exists(container.root() + part.as_string()) && std::find(made.begin(), made.end(), part) == made.end()) made.push_back(part);
    }
    if (step.guest.find(".so") == step.guest.npos) continue;
    libraries.push_back(step.guest);
    hosts.push_back(step.source);
  }
  // Links first: a name of the file system goes before one that is only inside a file.
  auto cache_path = view.find(kCache);
  std::optional<std::string> before, after;
  if (cache_path) before = find_file(*cache_path);
  if (before) after = extended_ld_cache(*before, libraries, hosts);
  if (after) record.at("cache") = sha256_hex(*after);
  // Recorded first: a killed setup can be removed or done again.
  make_file(container.path("nvidia.files"), json::to_line(record) + "\n");
  std::string saved = container.path("nvidia.saved");
  make_directories(saved, 0700);
  if (after) make_file(saved + "/ld.so.cache", *before);
  for (const auto& step : steps) {
    std::string target = place_of(container, view, step.guest), keep = saved + step.guest;
    make_directories(path_dirname(target));
    make_directories(path_dirname(keep));
    if (::rename(target.c_str(), keep.c_str()) != 0 && errno != ENOENT) throw_errno("set aside", target);
    if (!step.is_link) copy_file(step.source, target);
    else if (::symlink(find_link(step.source).value_or("").c_str(), target.c_str()) != 0) throw_errno("create link", target);
  }
  if (after) make_file(*cache_path, *after, 0644);
  make_file(container.path("nvidia"), "");
  log::info(cat("nvidia mode set: driver ", driver.version, ", ", steps.size(), " files"));
}

}  // namespace udocker::ops
