#include "ops/cdi.hpp"

#include "engine/container_view.hpp"
#include "ops/nvidia.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"
#include "util/yaml.hpp"

#include <algorithm>
#include <cstdlib>

namespace udocker::ops {

namespace {

bool is_word(std::string_view text, std::string_view extra) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || extra.find(c) != extra.npos;
  });
}

// Values of `--name VALUE` and `--name=VALUE`.
std::vector<std::string> values_of(const std::vector<std::string>& args, const std::string& name) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i] == name && i + 1 < args.size()) out.push_back(args[i + 1]);
    else if (args[i].starts_with(name + "=")) out.push_back(args[i].substr(name.size() + 1));
  }
  return out;
}

// Hooks are programs of the host that change the container's root with privileges; what the usual ones do is done here.
void add_hook(const json::Value& hook, CdiEdits& out) {
  std::vector<std::string> args;
  for (const auto& item : hook["args"].as_array()) args.push_back(item.as_string());
  auto is = [&](const char* name) { return std::find(args.begin(), args.end(), name) != args.end(); };
  if (is("create-symlinks")) {
    for (const auto& text : values_of(args, "--link"))
      if (auto at = text.find("::"); at != text.npos) out.links.emplace_back(engine::normal_guest_path(text.substr(at + 2)), text.substr(0, at));
  } else if (is("update-ldcache")) {
    for (const auto& dir : values_of(args, "--folder")) out.library_dirs.push_back(engine::normal_guest_path(dir));
  } else if (!is("chmod") && !is("enable-cuda-compat") && !is("disable-device-node-modification")) {
    log::warning(cat("a hook of this device is not run: ", printable(hook["path"].as_string()), " ", printable(join(args, " "))));
  }
}

std::vector<json::Value> load_specs(const std::vector<std::string>& dirs) {
  std::vector<json::Value> specs;
  for (const auto& dir : dirs)
    for (const auto& name : list_directory(dir)) {
      std::string file = cat(dir, "/", name);
      if (!name.ends_with(".json") && !name.ends_with(".yaml")) continue;
      try {
        std::string text = load_file(file), source = printable(file);
        json::Value spec = name.ends_with(".json") ? json::parse(text, source) : yaml::parse(text, source);
        if (spec["kind"].as_string().find('/') == std::string::npos || spec["cdiVersion"].as_string().empty())
          throw Error(cat("not a CDI specification: ", source));
        specs.push_back(std::move(spec));
      } catch (const Error& error) {
        log::warning(cat("devices of this file are not known: ", error.what()));
      }
    }
  return specs;
}

bool is_searched(const CdiEdits& edits, const std::string& guest) {
  return std::find(edits.library_dirs.begin(), edits.library_dirs.end(), path_dirname(guest)) != edits.library_dirs.end();
}

}  // namespace

bool is_cdi_name(const std::string& text) {
  auto slash = text.find('/'), equals = text.find('=');
  if (slash == text.npos || equals == text.npos || equals < slash) return false;
  return is_word(text.substr(0, slash), ".-_") && is_word(text.substr(slash + 1, equals - slash - 1), "-_.") &&
         is_word(text.substr(equals + 1), "-_.:");
}

std::vector<std::string> cdi_spec_dirs() {
  const char* dirs = std::getenv("UDOCKER_CDI_SPEC_DIRS");
  return dirs && *dirs ? split(dirs, ':') : std::vector<std::string>{"/etc/cdi", "/var/run/cdi"};
}

void add_cdi_edits(const json::Value& edits, CdiEdits& out) {
  for (const auto& entry : edits["env"].as_array()) out.environment.push_back(entry.as_string());
  for (const auto& node : edits["deviceNodes"].as_array()) {
    std::string guest = node["path"].as_string(), host = node["hostPath"].as_string();
    engine::Bind bind{host.empty() ? guest : host, engine::normal_guest_path(guest)};
    std::string permissions = node["permissions"].as_string();
    if (!permissions.empty() && permissions.find('w') == permissions.npos) bind.access = engine::Access::read_only;
    out.devices.push_back(bind);
  }
  for (const auto& mount : edits["mounts"].as_array()) {
    engine::Bind bind{mount["hostPath"].as_string(), engine::normal_guest_path(mount["containerPath"].as_string())};
    const auto& options = mount["options"].as_array();
    if (std::find(options.begin(), options.end(), json::Value("ro")) != options.end()) bind.access = engine::Access::read_only;
    std::string type = mount["type"].as_string();
    if (type.empty() || type == "bind" || type == "none") out.mounts.push_back(bind);
    else log::warning(cat("a mount of this device is not made: ", printable(type), " at ", printable(bind.guest)));
  }
  for (const auto& hook : edits["hooks"].as_array()) add_hook(hook, out);
}

std::vector<engine::Bind> cdi_libraries(const CdiEdits& edits) {
  std::vector<engine::Bind> out;
  for (const auto& bind : edits.mounts)
    if (is_searched(edits, bind.guest) && bind.guest.find(".so") != bind.guest.npos) out.push_back(bind);
  return out;
}

std::map<std::string, std::string> cdi_library_names(const CdiEdits& edits) {
  std::map<std::string, std::string> names;
  for (const auto& bind : cdi_libraries(edits)) {
    names.emplace(path_basename(bind.guest), bind.host);
    if (std::string name = soname_of(bind.host); !name.empty() && name.find('/') == name.npos) names.emplace(name, bind.host);
  }
  for (std::size_t known = 0; known != names.size();) {  // links may lead to links
    known = names.size();
    for (const auto& [guest, target] : edits.links)
      if (auto found = names.find(path_basename(target)); is_searched(edits, guest) && found != names.end()) names.emplace(path_basename(guest), found->second);
  }
  return names;
}

CdiEdits resolve_cdi(const std::vector<std::string>& names, const std::vector<std::string>& dirs) {
  CdiEdits out;
  if (names.empty()) return out;
  auto specs = load_specs(dirs);
  std::vector<const json::Value*> used;
  for (const auto& name : names) {
    auto equals = name.find('=');
    std::string kind = name.substr(0, equals), device = name.substr(equals + 1);
    const json::Value* found = nullptr;
    const json::Value* edits = nullptr;
    std::string known;
    for (const auto& spec : specs)
      for (const auto& item : spec["devices"].as_array()) {
        known += cat(" ", spec["kind"].as_string(), "=", item["name"].as_string());
        if (spec["kind"].as_string() != kind || item["name"].as_string() != device) continue;
        found = &spec;
        edits = &item["containerEdits"];
      }
    if (!found)
      throw Error(cat("no such device: ", printable(name), known.empty() ? cat(": no CDI specification in ", join(dirs, ", "), " (*.yaml, *.json; nvidia-ctk cdi generate makes one)")
                                                                          : cat("; there are:", known)), 2);
    if (std::find(used.begin(), used.end(), found) == used.end()) {
      used.push_back(found);
      add_cdi_edits((*found)["containerEdits"], out);
    }
    add_cdi_edits(*edits, out);
  }
  for (const auto* list : {&out.devices, &out.mounts})
    for (const auto& bind : *list)
      if (!bind.host.starts_with('/') || !path_exists(bind.host)) throw Error(cat("a device needs what this host does not have: ", printable(bind.host)), 2);
  return out;
}

}  // namespace udocker::ops
