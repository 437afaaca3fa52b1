// The other direction: values to JSON, and the template that `spec` writes.
#include "oci/runtime_spec.hpp"

namespace udocker::oci {
namespace {

json::Value list(const std::vector<std::string>& texts) {
  json::Array out;
  out.reserve(texts.size());
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

json::Value number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

json::Value mappings(const std::vector<IdMapping>& all) {
  json::Array out;
  for (const auto& one : all)
    out.push_back(json::Object{{"containerID", number(one.container)}, {"hostID", number(one.host)}, {"size", number(one.size)}});
  return out;
}

void put_hooks(json::Value& out, const char* name, const std::vector<Hook>& hooks) {
  if (hooks.empty()) return;
  json::Array items;
  for (const auto& hook : hooks) {
    json::Value item = json::Object{{"path", hook.path}, {"args", list(hook.args)}, {"env", list(hook.env)}};
    if (hook.timeout) item.at("timeout") = *hook.timeout;
    items.push_back(std::move(item));
  }
  out.at("hooks").at(name) = std::move(items);
}

json::Value linux_to_json(const Config& config) {
  json::Value linux = json::Object{};
  if (!config.uid_mappings.empty()) linux.at("uidMappings") = mappings(config.uid_mappings);
  if (!config.gid_mappings.empty()) linux.at("gidMappings") = mappings(config.gid_mappings);
  json::Array namespaces;
  for (const auto& entry : config.namespaces) {
    json::Value item = json::Object{{"type", entry.type}};
    if (!entry.path.empty()) item.at("path") = entry.path;
    namespaces.push_back(std::move(item));
  }
  linux.at("namespaces") = std::move(namespaces);
  if (!config.masked_paths.empty()) linux.at("maskedPaths") = list(config.masked_paths);
  if (!config.read_only_paths.empty()) linux.at("readonlyPaths") = list(config.read_only_paths);
  for (const auto& device : config.devices) {
    json::Value item = json::Object{{"path", device.path}, {"type", device.type}, {"major", device.major}, {"minor", device.minor}};
    if (device.file_mode) item.at("fileMode") = number(*device.file_mode);
    if (device.uid) item.at("uid") = number(*device.uid);
    if (device.gid) item.at("gid") = number(*device.gid);
    linux.at("devices").push_back(std::move(item));
  }
  for (const auto& [key, value] : config.sysctl) linux.at("sysctl").at(key) = value;
  if (!config.cgroups_path.empty()) linux.at("cgroupsPath") = config.cgroups_path;
  if (!config.rootfs_propagation.empty()) linux.at("rootfsPropagation") = config.rootfs_propagation;
  if (!config.personality.empty()) linux.at("personality").at("domain") = config.personality;
  if (!config.resources.is_null()) linux.at("resources") = config.resources;
  return linux;
}

Mount mount_of(const char* destination, const char* type, const char* source, std::vector<std::string> options) {
  return {destination, type, source, std::move(options), {}, {}};
}

}  // namespace

const std::vector<std::string>& default_masked_paths() {
  static const std::vector<std::string> paths = {
      "/proc/acpi",        "/proc/asound",     "/proc/kcore",       "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
      "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",    "/proc/scsi"};
  return paths;
}

const std::vector<std::string>& default_read_only_paths() {
  static const std::vector<std::string> paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  return paths;
}

json::Value to_json(const Process& process) {
  json::Value out = json::Object{};
  out.at("terminal") = process.terminal;
  if (process.console_height || process.console_width) {
    out.at("consoleSize").at("height") = number(process.console_height);
    out.at("consoleSize").at("width") = number(process.console_width);
  }
  json::Value& user = out.at("user");
  user.at("uid") = number(process.uid);
  user.at("gid") = number(process.gid);
  if (process.umask) user.at("umask") = number(*process.umask);
  for (auto gid : process.additional_gids) user.at("additionalGids").push_back(number(gid));
  out.at("args") = list(process.args);
  out.at("env") = list(process.env);
  out.at("cwd") = process.cwd;
  if (process.capabilities) {
    const auto& caps = *process.capabilities;
    out.at("capabilities") = json::Object{{"bounding", list(caps.bounding)},
                                          {"effective", list(caps.effective)},
                                          {"inheritable", list(caps.inheritable)},
                                          {"permitted", list(caps.permitted)},
                                          {"ambient", list(caps.ambient)}};
  }
  for (const auto& limit : process.rlimits) {
    auto value = [](std::uint64_t n) { return n >> 63 ? json::Value(static_cast<double>(n)) : number(n); };
    out.at("rlimits").push_back(json::Object{{"type", limit.type}, {"soft", value(limit.soft)}, {"hard", value(limit.hard)}});
  }
  out.at("noNewPrivileges") = process.no_new_privileges;
  if (!process.apparmor_profile.empty()) out.at("apparmorProfile") = process.apparmor_profile;
  if (!process.selinux_label.empty()) out.at("selinuxLabel") = process.selinux_label;
  if (process.oom_score_adj) out.at("oomScoreAdj") = *process.oom_score_adj;
  if (!process.scheduler.is_null()) out.at("scheduler") = process.scheduler;
  if (!process.io_priority.is_null()) out.at("ioPriority") = process.io_priority;
  return out;
}

json::Value to_json(const Config& config) {
  json::Value out = json::Object{};
  out.at("ociVersion") = config.version;
  out.at("root") = json::Object{{"path", config.root_path}, {"readonly", config.root_read_only}};
  out.at("process") = to_json(config.process);
  if (!config.hostname.empty()) out.at("hostname") = config.hostname;
  if (!config.domainname.empty()) out.at("domainname") = config.domainname;
  json::Array mounts;
  for (const auto& mount : config.mounts) {
    json::Value item = json::Object{{"destination", mount.destination}, {"type", mount.type}, {"source", mount.source}};
    if (!mount.options.empty()) item.at("options") = list(mount.options);
    if (!mount.uid_mappings.empty()) item.at("uidMappings") = mappings(mount.uid_mappings);
    if (!mount.gid_mappings.empty()) item.at("gidMappings") = mappings(mount.gid_mappings);
    mounts.push_back(std::move(item));
  }
  out.at("mounts") = std::move(mounts);
  put_hooks(out, "prestart", config.hooks.prestart);
  put_hooks(out, "createRuntime", config.hooks.create_runtime);
  put_hooks(out, "createContainer", config.hooks.create_container);
  put_hooks(out, "startContainer", config.hooks.start_container);
  put_hooks(out, "poststart", config.hooks.poststart);
  put_hooks(out, "poststop", config.hooks.poststop);
  for (const auto& [key, value] : config.annotations) out.at("annotations").at(key) = value;
  out.at("linux") = linux_to_json(config);
  return out;
}

json::Value make_template(std::optional<RootlessIds> rootless) {
  Config config;
  config.version = "1.0.2-dev";
  config.root_path = "rootfs";
  config.root_read_only = true;
  config.hostname = "runc";
  Process& process = config.process;
  process.terminal = true;
  process.args = {"sh"};
  process.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
  std::vector<std::string> caps = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  process.capabilities = Capabilities{caps, caps, {}, caps, caps};
  process.rlimits = {{"RLIMIT_NOFILE", 1024, 1024}};
  process.no_new_privileges = true;
  config.mounts = {
      mount_of("/proc", "proc", "proc", {}),
      mount_of("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount_of("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      mount_of("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount_of("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount_of("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
      mount_of("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}),
  };
  config.masked_paths = default_masked_paths();
  config.read_only_paths = default_read_only_paths();
  config.namespaces = {{"pid", ""}, {"network", ""}, {"ipc", ""}, {"uts", ""}, {"mount", ""}, {"cgroup", ""}};
  if (!rootless) {
    config.resources = json::Object{{"devices", json::Array{json::Object{{"allow", false}, {"access", "rwm"}}}}};
    return to_json(config);
  }
  std::erase_if(config.namespaces, [](const Namespace& entry) { return entry.type == "network"; });
  config.namespaces.push_back({"user", ""});
  config.uid_mappings = {{0, rootless->uid, 1}};
  config.gid_mappings = {{0, rootless->gid, 1}};
  config.mounts[2].options.pop_back();  // gid=5 is not mapped
  config.mounts[5] = mount_of("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"});
  return to_json(config);
}

}  // namespace udocker::oci
