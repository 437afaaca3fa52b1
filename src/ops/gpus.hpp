// What a run shows of the host's accelerators: --gpus, NVIDIA_VISIBLE_DEVICES, --dri, and CDI devices.
#pragma once
#include "engine/plan.hpp"
#include "ops/cdi.hpp"
#include "store/containers.hpp"

#include <optional>
#include <string>
#include <vector>

namespace udocker::ops {

class Session;

// What is asked for: --gpus before NVIDIA_VISIBLE_DEVICES of the options before the image's. "all", a list, or nothing.
struct GpuRequest {
  std::string which;
  bool is_demanded = false;  // by --gpus: a host without GPUs is an error then
};
// `gpus` as docker takes it: all, a count, device=LIST, none. Throws UsageError.
GpuRequest gpu_request(const std::string& gpus, const std::optional<std::string>& visible_devices);

// Makes sure that the container has this host's driver when one is asked for, or was set up before with another one.
// A container that cannot be changed gives a warning.
void refresh_driver(Session& session, const store::Container& container, const GpuRequest& request);

// The device nodes for the request; `isolated` engines have a /dev of their own and get each by a bind.
std::vector<engine::Bind> gpu_binds(const GpuRequest& request, bool isolated);
// The same for --dri: direct rendering, AMD's and Intel's compute nodes.
std::vector<engine::Bind> dri_binds(bool isolated);

// Environment that goes with a request, K=V.
std::vector<std::string> gpu_environment(const GpuRequest& request, bool isolated);

}  // namespace udocker::ops
