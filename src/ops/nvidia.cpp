#include "ops/nvidia.hpp"

#include "engine/container_view.hpp"
#include "ops/session.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/json.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <span>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

// Companions of the driver that carry a version of their own.
constexpr std::string_view kCompanions[] = {"libnvidia-egl-gbm.so.", "libnvidia-egl-wayland.so.", "libnvidia-egl-wayland2.so.",
                                            "libnvidia-egl-xcb.so.", "libnvidia-egl-xlib.so.", "libnvidia-nvvm70.so.",
                                            "libnvidia-api.so.", "libnvidia-pkcs11"};
// The image's own front ends stay, if it has them: they are not part of the driver.
constexpr std::string_view kNeverCopied[] = {"libGL.so", "libEGL.so", "libGLX.so", "libOpenGL.so", "libGLdispatch.so"};
constexpr const char* kLibraryDirs[] = {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
                                        "/lib/x86_64-linux-gnu", "/lib64", "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib",
                                        "/usr/lib/nvidia", "/usr/lib/wsl/lib", "/opt/nvidia/lib64"};
constexpr const char* kDataFiles[] = {"vulkan/icd.d/nvidia_icd.json", "vulkan/icd.d/nvidia_icd.x86_64.json", "vulkan/icd.d/nvidia_icd.aarch64.json",
                                      "vulkan/implicit_layer.d/nvidia_layers.json", "glvnd/egl_vendor.d/10_nvidia.json",
                                      "egl/egl_external_platform.d/15_nvidia_gbm.json", "egl/egl_external_platform.d/10_nvidia_wayland.json",
                                      "nvidia/nvoptix.bin", "OpenCL/vendors/nvidia.icd"};
constexpr const char* kPrograms[] = {"nvidia-smi", "nvidia-debugdump", "nvidia-persistenced", "nvidia-cuda-mps-control", "nvidia-cuda-mps-server",
                                     "nvidia-imex", "nvidia-imex-ctl", "nvidia-settings", "nvidia-bug-report.sh", "nvidia-xconfig"};

bool starts_with_any(std::string_view name, std::span<const std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string libcuda_version(const std::string& dir) {
  for (const auto& name : list_directory(dir))
    if (name.starts_with("libcuda.so.") && name.size() > 12) return name.substr(11);
  return "";
}

std::vector<std::string> loader_dirs() {
  std::vector<std::string> dirs;
  try {
    for (const auto& line : split(run_captured({"ldconfig", "-p"}).output, '\n'))
      if (auto arrow = line.find("=> "); line.find("libcuda.so") != std::string::npos && arrow != std::string::npos)
        dirs.push_back(path_dirname(line.substr(arrow + 3)));
  } catch (const Error&) {  // no ldconfig: the usual directories serve
  }
  if (const char* path = std::getenv("LD_LIBRARY_PATH"))
    for (auto& dir : split(path, ':')) dirs.push_back(std::move(dir));
  return dirs;
}

void scan(NvidiaDriver& driver, const std::string& dir) {
  std::set<std::string> taken;
  auto names = list_directory(dir);
  for (const auto& name : names) {
    std::string path = cat(dir, "/", name);
    bool of_driver = name.ends_with(cat(".so.", driver.version)) || starts_with_any(name, kCompanions);
    if (!of_driver || starts_with_any(name, kNeverCopied) || find_link(path) || !is_regular(path)) continue;
    driver.libraries.push_back(path);
    taken.insert(name);
  }
  for (bool more = true; more;) {  // links to links: libcuda.so -> libcuda.so.1 -> libcuda.so.VERSION
    more = false;
    for (const auto& name : names) {
      auto target = find_link(cat(dir, "/", name));
      if (!target || taken.contains(name) || !taken.contains(path_basename(*target)) || target->find('/') != std::string::npos) continue;
      driver.links.push_back(cat(dir, "/", name));
      taken.insert(name);
      more = true;
    }
  }
}

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

}  // namespace

NvidiaDriver find_nvidia_driver(const std::string& root, const std::vector<std::string>& library_dirs) {
  NvidiaDriver driver;
  std::vector<std::string> dirs;
  auto add = [&](const std::string& dir) {
    std::string path = root + dir;
    if (!is_directory(path)) return;
    path = real_path(path);
    if (std::find(dirs.begin(), dirs.end(), path) == dirs.end()) dirs.push_back(path);
  };
  for (const auto& dir : library_dirs) add(dir);
  if (root.empty())
    for (const auto& dir : loader_dirs()) add(dir);
  for (const char* dir : kLibraryDirs) add(dir);
  for (const auto& dir : dirs)
    if (driver.version.empty()) driver.version = libcuda_version(dir);
  if (driver.version.empty()) return driver;
  for (const auto& dir : dirs) {
    scan(driver, dir);
    scan(driver, dir + "/vdpau");
  }
  for (const char* name : kPrograms)
    for (const char* dir : {"/usr/bin/", "/usr/local/nvidia/bin/"})
      if (std::string path = cat(root, dir, name); is_regular(path)) {
        driver.programs.push_back(path);
        break;
      }
  for (const char* name : kDataFiles)
    for (const char* dir : {"/usr/share/", "/etc/", "/usr/local/nvidia/share/"})
      if (std::string path = cat(root, dir, name); is_regular(path)) driver.data.push_back(path);
  return driver;
}

bool has_nvidia(const store::Container& container) { return path_exists(container.path("nvidia")); }

std::string nvidia_version(const store::Container& container) {
  auto text = find_file(container.path("nvidia.files"));
  return text ? json::parse(*text, container.path("nvidia.files"))["version"].as_string() : "";
}

void remove_nvidia(const store::Container& container) {
  if (auto text = find_file(container.path("nvidia.files"))) {
    engine::ContainerView view(container.root(), {});
    for (const auto& file : json::parse(*text, container.path("nvidia.files"))["files"].as_array()) {
      std::string guest = engine::normal_guest_path(file.as_string());
      if (auto parent = view.find(path_dirname(guest))) remove_file(cat(*parent, "/", path_basename(guest)));
    }
  }
  remove_file(container.path("nvidia.files"));
  remove_file(container.path("nvidia"));
}

void setup_nvidia(Session& session, const store::Container& container, NvidiaReplace replace) {
  NvidiaDriver driver = find_nvidia_driver("", session.settings().lib_dirs_list_nvidia);
  if (driver.version.empty()) throw Error("host nvidia libraries not found");
  if (has_nvidia(container) && replace == NvidiaReplace::no && nvidia_version(container) == driver.version)
    throw Error("nvidia installation already exists, use --force to overwrite");
  remove_nvidia(container);
  engine::ContainerView view(container.root(), {});
  std::string library_dir = library_dir_of(view);
  struct Step {
    std::string source, guest;
    bool is_link;
  };
  std::vector<Step> steps;
  auto place = [&](const std::string& path) {
    bool vdpau = path_basename(path_dirname(path)) == "vdpau";
    return cat(library_dir, vdpau ? "/vdpau/" : "/", path_basename(path));
  };
  for (const auto& path : driver.libraries) steps.push_back({path, place(path), false});
  for (const auto& path : driver.links) steps.push_back({path, place(path), true});
  for (const auto& path : driver.programs) steps.push_back({path, cat("/usr/bin/", path_basename(path)), false});
  for (const auto& path : driver.data) steps.push_back({path, path.starts_with("/usr/local/nvidia") ? "/usr" + path.substr(17) : path, false});
  json::Array files;
  for (const auto& step : steps) {
    if (view.find(step.guest) && replace == NvidiaReplace::no)
      throw Error(cat("the container has ", step.guest, " already, use --force to overwrite"));
    files.push_back(step.guest);
  }
  // Recorded first: a killed setup can be removed or done again.
  make_file(container.path("nvidia.files"), json::to_line(json::Object{{"version", driver.version}, {"files", files}}) + "\n");
  for (const auto& step : steps) {
    std::string parent = view.canonical(path_dirname(step.guest));
    make_directories(container.root() + parent);
    std::string target = cat(container.root(), parent, "/", path_basename(step.guest));
    remove_file(target);
    if (!step.is_link) copy_file(step.source, target);
    else if (::symlink(find_link(step.source).value_or("").c_str(), target.c_str()) != 0) throw_errno("create link", target);
  }
  make_file(container.path("nvidia"), "");
  log::info(cat("nvidia mode set: driver ", driver.version, ", ", steps.size(), " files"));
}

}  // namespace udocker::ops
