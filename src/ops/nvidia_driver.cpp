#include "ops/nvidia.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <span>

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
    for (const auto& line : split(run_captured({path_exists("/sbin/ldconfig") ? "/sbin/ldconfig" : "ldconfig", "-p"}).output, '\n'))
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

}  // namespace

std::string nvidia_driver_root() {
  const char* root = std::getenv("UDOCKER_NVIDIA_DRIVER_ROOT");
  return root && *root == '/' ? std::string(root) : "";
}

bool has_nvidia_hardware(const std::string& root) {
  return path_exists(root + "/dev/nvidiactl") || path_exists(root + "/dev/dxg") || path_exists(root + "/proc/driver/nvidia/version");
}

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

namespace {

bool is_number(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == text.npos; }

// Minor number of each card by its number, as nvidia-smi counts (by PCI address), and by its UUID.
std::vector<std::pair<std::string, std::string>> cards(const std::string& root) {
  std::vector<std::pair<std::string, std::string>> out;  // UUID, minor
  std::string dir = root + "/proc/driver/nvidia/gpus";
  for (const auto& address : list_directory(dir)) {
    std::string uuid, minor;
    for (const auto& line : split(find_file(cat(dir, "/", address, "/information")).value_or(""), '\n')) {
      auto colon = line.find(':');
      if (colon == line.npos) continue;
      std::string value(trim(line.substr(colon + 1)));
      if (line.starts_with("GPU UUID")) uuid = value;
      if (line.starts_with("Device Minor")) minor = value;
    }
    if (is_number(minor)) out.emplace_back(uuid, minor);
  }
  if (!out.empty()) return out;
  for (const auto& name : list_directory(root + "/dev"))
    if (name.starts_with("nvidia") && is_number(name.substr(6))) out.emplace_back("", name.substr(6));
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return *parse_number(a.second) < *parse_number(b.second); });
  return out;
}

}  // namespace

std::vector<std::string> find_nvidia_devices(const std::string& root, const std::string& which) {
  std::set<std::string> minors;
  auto known = cards(root);
  auto wanted = which == "all" ? std::vector<std::string>() : split(which, ',');
  bool parts = which == "all";  // slices of cards (MIG), which have no nodes of their own here
  for (std::size_t i = 0; i < known.size(); ++i) {
    bool asked = which == "all";
    for (const auto& text : wanted) asked = asked || trim(text) == cat(i) || (!known[i].first.empty() && trim(text) == known[i].first);
    if (asked) minors.insert(known[i].second);
  }
  for (const auto& text : wanted) {
    bool slice = text.find("MIG-") != text.npos || text.find(':') != text.npos;
    parts = parts || slice;
    bool found = slice || std::any_of(known.begin(), known.end(), [&, i = std::size_t{0}](const auto& card) mutable {
      return trim(text) == cat(i++) || trim(text) == card.first;
    });
    if (!found) throw Error(cat("no such GPU: ", printable(text), " (this host has ", known.size(), ", counted from 0)"), 2);
  }
  if (parts && which != "all")
    for (const auto& card : known) minors.insert(card.second);
  std::vector<std::string> out;
  for (const auto& name : list_directory(root + "/dev")) {
    bool card = name.starts_with("nvidia") && is_number(name.substr(6));
    bool common = name == "nvidiactl" || name.starts_with("nvidia-uvm") || name == "nvidia-modeset" || name.starts_with("nvidia-nvswitch") ||
                  name.starts_with("nvidia-fs") || name == "nvidia-caps-imex-channels" || name == "gdrdrv" || name == "dxg" ||
                  (name == "nvidia-caps" && parts);
    if (card ? minors.contains(name.substr(6)) : common) out.push_back(cat(root, "/dev/", name));
  }
  return out;
}

}  // namespace udocker::ops
