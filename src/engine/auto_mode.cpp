#include "engine/auto_mode.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/json.hpp"
#include "util/strings.hpp"

#include <sys/utsname.h>

namespace udocker::engine {

using host::Ability;

namespace {

struct Needs {
  Mode mode;
  std::vector<Ability> abilities;
};

const std::vector<Needs>& needs_table() {
  static const std::vector<Needs> table = {
      {Mode::R1, {Ability::user_namespace, Ability::mount_namespace}},
      {Mode::T1, {Ability::seccomp_filter, Ability::seccomp_trap}},
      {Mode::T2, {Ability::seccomp_filter, Ability::seccomp_trap}},
      {Mode::P1, {Ability::ptrace, Ability::seccomp_trace}},
      {Mode::P2, {Ability::ptrace}},
      {Mode::R2, {Ability::user_namespace, Ability::mount_namespace, Ability::ptrace, Ability::seccomp_trace}},
      {Mode::R3, {Ability::user_namespace, Ability::mount_namespace, Ability::ptrace}},
      {Mode::F1, {}}, {Mode::F2, {}}, {Mode::F3, {}}, {Mode::F4, {}},
      {Mode::S1, {}},
  };
  return table;
}

std::string host_key() {
  utsname name{};
  ::uname(&name);
  std::string boot(trim(find_file("/proc/sys/kernel/random/boot_id").value_or("")));
  // The same kernel answers differently inside a container: the namespaces and the filter in force belong to the key.
  std::string place = cat(find_link("/proc/self/ns/user").value_or(""), find_link("/proc/self/ns/mnt").value_or(""));
  std::string status = find_file("/proc/self/status").value_or("");
  auto filters = status.find("Seccomp_filters:");
  if (filters != std::string::npos) place += status.substr(filters, status.find('\n', filters) - filters);
  return cat(name.nodename, " ", name.release, " ", name.version, " ", boot, " ", place, " ", UDOCKER_VERSION);
}

}  // namespace

std::vector<ModeReport> judge_modes(const std::vector<host::Probe>& probes, bool apptainer_installed) {
  std::vector<ModeReport> reports;
  for (const auto& row : needs_table()) {
    ModeReport report{row.mode, true, ""};
    for (const auto& probe : probes)
      for (Ability ability : row.abilities)
        if (probe.ability == ability && !probe.works) {
          report.works = false;
          report.lacks += cat(report.lacks.empty() ? "" : ", ", probe.name, " (", probe.detail, ")");
        }
    if (row.mode == Mode::S1 && !apptainer_installed) {
      report.works = false;
      report.lacks = "apptainer or singularity";
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

Mode best_mode(const std::vector<ModeReport>& reports) {
  for (const auto& report : reports)
    if (report.works) return report.mode;
  return Mode::P1;
}

std::vector<host::Probe> cached_probes(const std::string& cache_file) {
  std::string key = host_key();
  try {
    if (auto text = find_file(cache_file, 1 << 16)) {
      auto saved = json::parse(*text, cache_file);
      if (saved["key"].as_string() == key) {
        std::vector<host::Probe> probes;
        for (const auto& item : saved["probes"].as_array())
          probes.push_back({static_cast<Ability>(item["ability"].as_integer()), "", item["works"].as_bool(), item["detail"].as_string()});
        if (probes.size() == static_cast<std::size_t>(Ability::memory_exec) + 1) return probes;
      }
    }
  } catch (const Error&) {  // an unreadable cache is probed anew
  }
  auto probes = host::probe_all();
  json::Value saved;
  saved.at("key") = key;
  for (const auto& probe : probes)
    saved.at("probes").push_back(json::Object{{"ability", static_cast<int>(probe.ability)}, {"works", probe.works}, {"detail", probe.detail}});
  try {
    make_directories(path_dirname(cache_file));
    make_file(cache_file, json::to_line(saved) + "\n");
  } catch (const Error&) {
  }
  return probes;
}

}  // namespace udocker::engine
