#include "ops/gpus.hpp"

#include "ops/nvidia.hpp"
#include "ops/session.hpp"
#include "ops/setup.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker::ops {

namespace {

// AMD's compute node, and Intel's accelerators; both use /dev/dri too.
constexpr const char* kRenderNodes[] = {"/dev/dri", "/dev/kfd", "/dev/accel"};

bool has_render_nodes() { return path_exists("/dev/kfd") || path_exists("/dev/accel") || path_exists("/dev/dri"); }

void add_bind(std::vector<engine::Bind>& binds, const std::string& root, const std::string& path, bool isolated) {
  std::string guest = path.substr(root.size());
  if (isolated || guest != path) binds.push_back({path, guest});
}

}  // namespace

GpuRequest gpu_request(const std::string& gpus, const std::optional<std::string>& visible_devices) {
  auto none = [](std::string_view text) { return text.empty() || text == "none" || text == "void"; };
  if (gpus.empty()) {
    std::string text(trim(visible_devices.value_or("")));
    return {none(text) ? "" : text, false};
  }
  std::string text;
  for (char c : gpus)
    if (c != '"') text += c;
  if (none(text)) return {};
  if (text == "all" || text == "-1") return {"all", true};
  if (auto count = parse_number(text)) {
    if (*count == 0 || *count > 1024) throw UsageError(cat("--gpus: not a number of GPUs: ", printable(text)));
    std::string list = "0";
    for (std::uint64_t i = 1; i < *count; ++i) list += cat(",", i);
    return {list, true};
  }
  if (text.starts_with("device=") && text.size() > 7) {
    // "device=0,1,capabilities=utility": only the devices matter, libraries come all together.
    std::string list;
    for (const auto& word : split(text.substr(7), ','))
      if (word.find('=') == word.npos) list += cat(list.empty() ? "" : ",", word);
    return {list, true};
  }
  throw UsageError(cat("--gpus takes all, a number, or device=LIST, not ", printable(gpus)));
}

void refresh_driver(Session& session, const store::Container& container, const GpuRequest& request) {
  bool is_set = has_nvidia(container);
  if (request.which.empty() && !is_set) return;
  std::string root = nvidia_driver_root();
  bool hardware = has_nvidia_hardware(root);
  if (!hardware) {
    if (request.is_demanded && !has_render_nodes()) throw Error("--gpus: this host has no GPU: there is neither /dev/nvidiactl nor /dev/kfd nor /dev/dri", 2);
    return;
  }
  std::string version = find_nvidia_driver(root, session.settings().lib_dirs_list_nvidia).version;
  if (version.empty()) {
    if (request.is_demanded) throw Error("--gpus: this host has NVIDIA devices but no libcuda.so.VERSION was found: set LD_LIBRARY_PATH or UDOCKER_NVIDIA_DRIVER_ROOT", 2);
    return;
  }
  if (is_set && nvidia_version(container) == version) return;
  try {
    store::Lock lock = container.lock();
    if (has_nvidia(container) && nvidia_version(container) == version) return;  // another run was faster
    setup_nvidia(session, container, NvidiaReplace::yes);
  } catch (const Error& error) {
    if (request.is_demanded) throw;
    return log::warning(cat("this container cannot get the host's NVIDIA driver: ", error.what()));
  }
  prepare_new_files(container);
}

std::vector<engine::Bind> gpu_binds(const GpuRequest& request, bool isolated) {
  std::vector<engine::Bind> binds;
  if (request.which.empty()) return binds;
  std::string root = nvidia_driver_root();
  if (!has_nvidia_hardware(root)) return request.is_demanded ? dri_binds(isolated) : binds;
  for (const auto& path : find_nvidia_devices(root, request.which)) add_bind(binds, root, path, isolated);
  if (isolated)
    for (const char* socket : {"/run/nvidia-persistenced", "/run/nvidia-fabricmanager", "/tmp/nvidia-mps"})
      if (path_exists(socket)) binds.push_back({socket, socket});
  return binds;
}

std::vector<engine::Bind> dri_binds(bool isolated) {
  std::vector<engine::Bind> binds;
  for (const char* path : kRenderNodes)
    if (path_exists(path)) add_bind(binds, "", path, isolated);
  return binds;
}

std::vector<std::string> gpu_environment(const GpuRequest& request, bool isolated) {
  if (request.which.empty()) return {};
  std::vector<std::string> out;
  if (request.is_demanded) out.push_back(cat("NVIDIA_VISIBLE_DEVICES=", request.which));
  // Where all of /dev is seen, the CUDA library is told which cards to take.
  if (!isolated && request.which != "all") out.push_back(cat("CUDA_VISIBLE_DEVICES=", request.which));
  return out;
}

}  // namespace udocker::ops
