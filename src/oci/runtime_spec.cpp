#include "oci/runtime_spec.hpp"

#include "oci/seccomp_profile.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <sys/utsname.h>

namespace udocker::oci {
namespace {

std::vector<std::string> texts(const json::Value& value) {
  std::vector<std::string> out;
  out.reserve(value.as_array().size());
  for (const auto& item : value.as_array()) out.push_back(item.as_string());
  return out;
}

std::uint32_t number32(const json::Value& value) { return static_cast<std::uint32_t>(value.as_integer()); }

std::optional<std::uint32_t> optional32(const json::Value& value) {
  return value.is_integer() ? std::optional(number32(value)) : std::nullopt;
}

std::vector<IdMapping> parse_mappings(const json::Value& value) {
  std::vector<IdMapping> out;
  for (const auto& item : value.as_array())
    out.push_back({number32(item["containerID"]), number32(item["hostID"]), number32(item["size"])});
  return out;
}

std::map<std::string, std::string> text_map(const json::Value& value) {
  std::map<std::string, std::string> out;
  for (const auto& [key, item] : value.as_object()) out[key] = item.as_string();
  return out;
}

std::vector<Hook> parse_hooks(const json::Value& value, std::string_view source) {
  std::vector<Hook> out;
  for (const auto& item : value.as_array()) {
    Hook hook{item["path"].as_string(), texts(item["args"]), texts(item["env"]), std::nullopt};
    if (hook.path.empty() || hook.path[0] != '/') throw IntegrityError(cat(source, ": the path of a hook must be absolute"));
    if (item["timeout"].is_integer()) {
      hook.timeout = static_cast<int>(item["timeout"].as_integer());
      if (*hook.timeout <= 0) throw IntegrityError(cat(source, ": the timeout of a hook must be above zero"));
    }
    out.push_back(std::move(hook));
  }
  return out;
}

std::string_view go_architecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#elif defined(__riscv)
  return "riscv64";
#else
  return "other";
#endif
}

constexpr std::string_view kNamespaceTypes[] = {"pid", "network", "ipc", "uts", "mount", "user", "cgroup", "time"};

void parse_linux(Config& config, const json::Value& linux, std::string_view source) {
  config.uid_mappings = parse_mappings(linux["uidMappings"]);
  config.gid_mappings = parse_mappings(linux["gidMappings"]);
  for (const auto& item : linux["namespaces"].as_array()) {
    Namespace entry{item["type"].as_string(), item["path"].as_string()};
    bool known = false;
    for (auto type : kNamespaceTypes) known |= entry.type == type;
    if (!known) throw IntegrityError(cat(source, ": linux.namespaces has the unknown type ", printable(entry.type)));
    if (config.has_namespace(entry.type)) throw IntegrityError(cat(source, ": linux.namespaces names ", entry.type, " twice"));
    config.namespaces.push_back(std::move(entry));
  }
  for (const auto& item : linux["devices"].as_array())
    config.devices.push_back({item["path"].as_string(), item["type"].as_string(), item["major"].as_integer(),
                              item["minor"].as_integer(), optional32(item["fileMode"]), optional32(item["uid"]),
                              optional32(item["gid"])});
  config.masked_paths = texts(linux["maskedPaths"]);
  config.read_only_paths = texts(linux["readonlyPaths"]);
  config.sysctl = text_map(linux["sysctl"]);
  for (const auto& [clock, offset] : linux["timeOffsets"].as_object())
    config.time_offsets[clock] = {offset["secs"].as_integer(), number32(offset["nanosecs"])};
  config.cgroups_path = linux["cgroupsPath"].as_string();
  config.rootfs_propagation = linux["rootfsPropagation"].as_string();
  config.mount_label = linux["mountLabel"].as_string();
  config.personality = linux["personality"]["domain"].as_string();
  config.resources = linux["resources"];
  config.unsupported_rdt = !linux["intelRdt"].is_null();
  if (linux["seccomp"].is_object()) {
    utsname names{};
    ::uname(&names);
    std::vector<std::string> bounding;
    if (config.process.capabilities) bounding = config.process.capabilities->bounding;
    config.seccomp = parse_seccomp(linux["seccomp"], bounding, go_architecture(), names.release);
  }
}

}  // namespace

bool Config::has_namespace(std::string_view type) const { return find_namespace(type) != nullptr; }

const Namespace* Config::find_namespace(std::string_view type) const {
  for (const auto& entry : namespaces)
    if (entry.type == type) return &entry;
  return nullptr;
}

Process parse_process(const json::Value& value, std::string_view source) {
  Process process;
  process.terminal = value["terminal"].as_bool();
  process.console_height = static_cast<std::uint16_t>(value["consoleSize"]["height"].as_integer());
  process.console_width = static_cast<std::uint16_t>(value["consoleSize"]["width"].as_integer());
  const auto& user = value["user"];
  process.uid = number32(user["uid"]);
  process.gid = number32(user["gid"]);
  process.umask = optional32(user["umask"]);
  for (const auto& gid : user["additionalGids"].as_array()) process.additional_gids.push_back(number32(gid));
  process.args = texts(value["args"]);
  process.env = texts(value["env"]);
  process.cwd = value["cwd"].as_string();
  if (process.cwd.empty() || process.cwd[0] != '/')
    throw IntegrityError(cat(source, ": process.cwd must be an absolute path, not ", printable(process.cwd)));
  if (const auto& caps = value["capabilities"]; caps.is_object())
    process.capabilities = Capabilities{texts(caps["bounding"]), texts(caps["effective"]), texts(caps["inheritable"]),
                                        texts(caps["permitted"]), texts(caps["ambient"])};
  for (const auto& item : value["rlimits"].as_array()) {
    auto limit = [](const json::Value& field) {
      return field.is_integer() ? static_cast<std::uint64_t>(field.as_integer())
             : field.as_number() >= 18446744073709551615.0 ? ~std::uint64_t{0}
                                                            : static_cast<std::uint64_t>(field.as_number());
    };
    process.rlimits.push_back({item["type"].as_string(), limit(item["soft"]), limit(item["hard"])});
    for (std::size_t i = 0; i + 1 < process.rlimits.size(); ++i)
      if (process.rlimits[i].type == process.rlimits.back().type)
        throw IntegrityError(cat(source, ": process.rlimits names ", printable(process.rlimits[i].type), " twice"));
  }
  process.no_new_privileges = value["noNewPrivileges"].as_bool();
  process.apparmor_profile = value["apparmorProfile"].as_string();
  process.selinux_label = value["selinuxLabel"].as_string();
  if (value["oomScoreAdj"].is_integer()) process.oom_score_adj = static_cast<int>(value["oomScoreAdj"].as_integer());
  process.scheduler = value["scheduler"];
  process.io_priority = value["ioPriority"];
  return process;
}

Config parse_config(std::string_view text, std::string_view source) {
  json::Value all = json::parse(text, source);
  if (!all.is_object()) throw IntegrityError(cat(source, ": not a JSON object"));
  Config config;
  config.version = all["ociVersion"].as_string();
  if (config.version.empty()) throw IntegrityError(cat(source, ": ociVersion is missing"));
  if (!config.version.starts_with("1."))
    throw IntegrityError(cat(source, ": ociVersion ", printable(config.version), " is not supported; versions 1.x are"));
  config.root_path = all["root"]["path"].as_string();
  if (config.root_path.empty()) throw IntegrityError(cat(source, ": root.path is missing"));
  config.root_read_only = all["root"]["readonly"].as_bool();
  if (all["process"].is_object()) config.process = parse_process(all["process"], source);
  config.hostname = all["hostname"].as_string();
  config.domainname = all["domainname"].as_string();
  for (const auto& item : all["mounts"].as_array()) {
    Mount mount{item["destination"].as_string(), item["type"].as_string(), item["source"].as_string(),
                texts(item["options"]), parse_mappings(item["uidMappings"]), parse_mappings(item["gidMappings"])};
    if (mount.destination.empty()) throw IntegrityError(cat(source, ": a mount has no destination"));
    if (mount.destination[0] != '/') mount.destination = cat("/", mount.destination);
    config.mounts.push_back(std::move(mount));
  }
  const auto& hooks = all["hooks"];
  config.hooks = {parse_hooks(hooks["prestart"], source),        parse_hooks(hooks["createRuntime"], source),
                  parse_hooks(hooks["createContainer"], source), parse_hooks(hooks["startContainer"], source),
                  parse_hooks(hooks["poststart"], source),       parse_hooks(hooks["poststop"], source)};
  config.annotations = text_map(all["annotations"]);
  parse_linux(config, all["linux"], source);
  for (const auto* name : {&config.hostname, &config.domainname})
    if (!name->empty() && !config.has_namespace("uts"))
      throw IntegrityError(cat(source, ": the name ", printable(*name), " needs a uts namespace in linux.namespaces"));
  return config;
}

}  // namespace udocker::oci
