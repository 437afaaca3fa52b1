// The OCI runtime specification's config.json as plain values. No file system, no kernel.
#pragma once
#include "host/seccomp.hpp"
#include "util/json.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::oci {

struct IdMapping {
  std::uint32_t container = 0, host = 0, size = 1;
  bool operator==(const IdMapping&) const = default;
};

struct Namespace {
  std::string type;  // "pid" "network" "ipc" "uts" "mount" "user" "cgroup" "time"
  std::string path;  // join this one; empty: make a new one
};

struct Mount {
  std::string destination, type, source;
  std::vector<std::string> options;
  std::vector<IdMapping> uid_mappings, gid_mappings;  // idmapped mount
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  std::uint64_t soft = 0, hard = 0;
};

struct Capabilities {
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
};

struct Process {
  bool terminal = false;
  std::uint16_t console_height = 0, console_width = 0;
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> additional_gids;
  std::optional<std::uint32_t> umask;
  std::vector<std::string> args, env;
  std::string cwd = "/";
  std::optional<Capabilities> capabilities;  // absent: none are left after exec of an ordinary user
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile, selinux_label;
  std::optional<int> oom_score_adj;
  json::Value scheduler, io_priority;  // null when absent
};

struct Hook {
  std::string path;
  std::vector<std::string> args, env;
  std::optional<int> timeout;  // seconds
};

struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct Device {
  std::string path, type;  // type: "c" "u" "b" "p"
  std::int64_t major = 0, minor = 0;
  std::optional<std::uint32_t> file_mode, uid, gid;
};

struct TimeOffset {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};

struct Config {
  std::string version;
  std::string root_path;
  bool root_read_only = false;
  Process process;
  std::string hostname, domainname;
  std::vector<Mount> mounts;
  Hooks hooks;
  std::map<std::string, std::string> annotations;

  // linux
  std::vector<IdMapping> uid_mappings, gid_mappings;
  std::vector<Namespace> namespaces;
  std::vector<Device> devices;
  std::vector<std::string> masked_paths, read_only_paths;
  std::map<std::string, std::string> sysctl;
  std::map<std::string, TimeOffset> time_offsets;
  std::string cgroups_path, rootfs_propagation, mount_label, personality;
  json::Value resources;  // as written; host::cgroup reads it
  std::optional<host::SeccompProfile> seccomp;
  bool unsupported_rdt = false;

  bool has_namespace(std::string_view type) const;
  const Namespace* find_namespace(std::string_view type) const;
};

// Throws IntegrityError naming `source` and the field when a required field is missing or cannot be right.
Config parse_config(std::string_view text, std::string_view source);
Process parse_process(const json::Value& value, std::string_view source);

// What `runc spec` writes: a shell in ./rootfs. With ids, the rootless form that maps 0 to them.
struct RootlessIds {
  std::uint32_t uid = 0, gid = 0;
};
json::Value make_template(std::optional<RootlessIds> rootless);

json::Value to_json(const Config& config);
json::Value to_json(const Process& process);

// The lists every runtime's template carries.
const std::vector<std::string>& default_masked_paths();
const std::vector<std::string>& default_read_only_paths();

}  // namespace udocker::oci
