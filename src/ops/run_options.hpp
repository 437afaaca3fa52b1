// What the command line asks of `run`, and the steps that turn it into an engine's plan.
#pragma once
#include "config/settings.hpp"
#include "engine/container_view.hpp"
#include "engine/plan.hpp"
#include "host/users.hpp"
#include "oci/run_config.hpp"

#include <optional>
#include <string>
#include <vector>

namespace udocker::ops {

struct RunOptions {
  std::string target;  // container id, container name or image
  std::vector<std::string> command;
  std::string name, user, workdir, hostname, kernel, location, platform, pull, index, registry, http_proxy, cpuset, execmode, gpus, id_file;
  std::optional<std::string> entrypoint;  // an empty one clears the image's
  std::vector<std::string> volumes, no_volumes, env, env_files, devices, publish, limits;
  bool remove = false, host_auth = false, container_auth = false, no_sysdirs = false, no_meta = false, host_env = false,
       bind_home = false, publish_all = false, dri = false, netcoop = false, no_banner = false, read_only = false, allow_static = false, ipc_of_host = false, pid_of_host = false, mpi = false;
};

// What --mpi stands for: the options a task of mpiexec or srun needs; what was given otherwise is kept.
void apply_mpi(RunOptions& options);

// A failure of run before the program starts: exit code 2, as scripts expect.
[[noreturn]] void refuse_run(std::string message);

// Who the program is. `passwd` and `group` hold the texts to be shown in place of the container's files; nothing
// where the container's own serve as they are.
struct Identity {
  host::User user;
  std::optional<std::string> passwd, group;
};
struct IdentityRequest {
  std::string user;  // "", name, uid, name:group, uid:gid
  engine::Family family;
  bool host_auth = false, container_auth = false, bind_home = false;
  bool passwd_is_volume = false;  // the user mounts an own /etc/passwd or /etc/group
};
Identity resolve_identity(const IdentityRequest& request, const engine::ContainerView& view);

// "host[:container[:options]]" of -v; options: ro rw, and z Z and the propagation words, which change nothing here.
engine::Bind parse_volume(const std::string& text);
// The whole list in the order of the manual: user's volumes, system directories, DRI, home; without --novol's.
std::vector<engine::Bind> plan_volumes(const RunOptions& options, const config::Settings& settings, engine::Family family,
                                       const std::string& home);
// "[ip:]host:container[/tcp]", a single number maps a port to itself.
engine::Port parse_port(const std::string& text);

struct EnvironmentRequest {
  std::vector<std::string> image, files, options;  // K=V texts; files are paths; options win over files over the image
  bool host_env = false;
  std::vector<std::string> host;  // K=V of this process
  config::List valid_host, invalid_host;
  std::string default_path;
  host::User user;
  std::string container_id, container_names, root, mode, host_user;
};
std::vector<std::string> plan_environment(const EnvironmentRequest& request);

// argv of the program from image and command line (compatibility spec 6.6); never empty.
std::vector<std::string> plan_command(const RunOptions& options, const oci::RunConfig& image, const config::Settings& settings);
// Guest path of the program: as is when absolute, by the working directory when relative, else by PATH.
std::string resolve_program(const std::vector<std::string>& argv, const std::string& path_list, const std::string& workdir,
                            const engine::ContainerView& view);

// Value of `key` in a K=V list.
std::optional<std::string> find_variable(const std::vector<std::string>& environment, std::string_view key);

}  // namespace udocker::ops
