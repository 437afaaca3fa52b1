#include "engine/oci_mode.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>

#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace udocker::engine {
namespace {

const std::vector<std::string> kCapabilities = {
    "CAP_KILL",   "CAP_NET_BIND_SERVICE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",      "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP",          "CAP_NET_RAW", "CAP_SYS_CHROOT",   "CAP_MKNOD",  "CAP_AUDIT_WRITE", "CAP_SETFCAP"};

oci::Mount mount_of(const char* destination, const char* type, const char* source, std::vector<std::string> options) {
  return {destination, type, source, std::move(options), {}, {}};
}

std::vector<oci::Mount> base_mounts(const RunPlan& plan, bool recursive_read_only) {
  std::vector<oci::Mount> all = {
      mount_of("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      mount_of("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount_of("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}),
      mount_of("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=2g"}),
      mount_of("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount_of("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", recursive_read_only ? "rro" : "ro"}),
  };
  auto at = [&](const char* destination) { return std::ranges::find(all, std::string(destination), &oci::Mount::destination); };
  if (plan.pid_of_host) *at("/proc") = mount_of("/proc", "none", "/proc", {"rbind", "nosuid", "noexec", "nodev"});
  if (plan.ipc_of_host) {  // queues belong to the namespace that made them
    *at("/dev/shm") = mount_of("/dev/shm", "none", "/dev/shm", {"rbind", "nosuid", "noexec", "nodev"});
    all.erase(at("/dev/mqueue"));
  }
  // A volume on one of these takes its place, and that of what lies below it.
  std::erase_if(all, [&](const oci::Mount& mount) {
    return std::ranges::any_of(plan.binds, [&](const Bind& bind) { return starts_with_word(mount.destination, bind.guest); });
  });
  return all;
}

oci::Mount bind_mount(const std::string& host, const std::string& guest, bool read_only, const OciFacts& facts) {
  std::vector<std::string> options = {"rbind", "nosuid"};
  if (!starts_with_word(guest, "/dev")) options.push_back("nodev");
  if (read_only) options.push_back(facts.recursive_read_only ? "rro" : "ro");
  return {guest, "none", host, std::move(options), {}, {}};
}

// "/dev/x[:/dev/y[:rwm]]"
oci::Mount device_mount(const std::string& text, const OciFacts& facts) {
  auto parts = split(text, ':');
  const std::string& host = parts[0];
  std::string guest = parts.size() > 1 && parts[1].starts_with('/') ? parts[1] : host;
  struct stat info {};
  if (!starts_with_word(host, "/dev") || ::stat(host.c_str(), &info) != 0)
    throw Error(cat("invalid device: ", printable(host), " does not exist below /dev"), 2);
  if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode) && !S_ISDIR(info.st_mode))
    throw Error(cat("invalid device: ", printable(host), " is neither a device nor a directory of devices"), 2);
  const std::string& access = parts.back();
  bool read_only = parts.size() > 1 && !access.starts_with('/') && access.find('w') == std::string::npos;
  return bind_mount(host, guest, read_only, facts);
}

std::vector<oci::IdMapping> mapping(const std::vector<host::IdRange>& ranges) {
  std::vector<oci::IdMapping> out;
  for (const auto& range : ranges) out.push_back({range.inside, range.outside, range.size});
  return out;
}

}  // namespace

oci::Config make_config(const RunPlan& plan, const OciFacts& facts, Runtime runtime) {
  oci::Config config;
  config.version = "1.0.2";
  config.root_path = plan.root;
  config.root_read_only = plan.read_only_root;
  oci::Process& process = config.process;
  process.args = plan.argv;
  process.env = plan.environment;
  process.cwd = plan.workdir;
  process.no_new_privileges = true;
  process.uid = plan.uid;
  process.gid = plan.gid;
  if (plan.uid == 0) process.capabilities = oci::Capabilities{kCapabilities, kCapabilities, kCapabilities, kCapabilities, kCapabilities};
  config.hostname = plan.hostname.empty() ? facts.host_name : plan.hostname;
  config.mounts = base_mounts(plan, facts.recursive_read_only && runtime == Runtime::own);
  if (runtime == Runtime::of_host) process.terminal = facts.terminal;
  else config.domainname = plan.domainname;
  for (const auto& bind : plan.binds) config.mounts.push_back(bind_mount(bind.host, bind.guest, bind.access == Access::read_only, facts));
  for (const auto& device : plan.devices) config.mounts.push_back(device_mount(device, facts));
  config.namespaces = {{"uts", ""}, {"mount", ""}, {"user", plan.user_namespace}};
  if (!plan.pid_of_host) config.namespaces.push_back({"pid", ""});
  if (!plan.ipc_of_host) config.namespaces.push_back({"ipc", ""});
  bool whole = facts.uid == 0 && (facts.root_uids.size() > 1 || (!facts.root_uids.empty() && facts.root_uids[0].size > 1));
  if (whole) {
    config.uid_mappings = mapping(facts.root_uids);
    config.gid_mappings = mapping(facts.root_gids);
    // The real root keeps its rights over these files; an ordinary user never had any.
    config.masked_paths = oci::default_masked_paths();
    config.read_only_paths = oci::default_read_only_paths();
  } else if (plan.user_namespace.empty()) {
    config.uid_mappings = {{plan.uid, facts.uid, 1}};
    config.gid_mappings = {{plan.gid, facts.gid, 1}};
  }
  return config;
}

OciFacts read_oci_facts() {
  OciFacts facts;
  facts.uid = ::geteuid();
  facts.gid = ::getegid();
  if (facts.uid == 0) {
    facts.root_uids = host::identity_map(find_file("/proc/self/uid_map").value_or(""));
    facts.root_gids = host::identity_map(find_file("/proc/self/gid_map").value_or(""));
  }
  utsname names{};
  ::uname(&names);
  facts.host_name = names.nodename;
  std::string_view release = names.release;
  auto major = parse_number(release.substr(0, release.find('.')));
  auto rest = release.substr(release.find('.') + 1);
  auto minor = parse_number(rest.substr(0, rest.find_first_not_of("0123456789")));
  facts.recursive_read_only = major && minor && (*major > 5 || (*major == 5 && *minor >= 12));
  facts.terminal = ::isatty(0) && ::isatty(1);
  return facts;
}

}  // namespace udocker::engine
