#include "engine/auto_mode.hpp"

#include "host/blob.hpp"
#include "host/self.hpp"
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
  bool executes_own_file = false;  // from a folder or from memory
};

const std::vector<Needs>& needs_table() {
  static const std::vector<Needs> table = {
      {Mode::R1, {Ability::user_namespace, Ability::mount_namespace}},
      {Mode::T1, {Ability::seccomp_filter, Ability::seccomp_trap, Ability::high_addresses}, true},
      {Mode::T2, {Ability::seccomp_filter, Ability::seccomp_trap, Ability::high_addresses}, true},
      {Mode::P1, {Ability::ptrace, Ability::seccomp_trace}},
      {Mode::P2, {Ability::ptrace}},
      {Mode::R2, {Ability::user_namespace, Ability::mount_namespace, Ability::ptrace, Ability::seccomp_trace}},
      {Mode::R3, {Ability::user_namespace, Ability::mount_namespace, Ability::ptrace}},
      {Mode::F1, {}}, {Mode::F2, {}}, {Mode::F3, {}}, {Mode::F4, {}},
      {Mode::S1, {}},
  };
  return table;
}

std::string cache_file(const std::string& folder) { return cat(folder, "/probes.json"); }

std::string host_key(const std::string& folder) {
  utsname name{};
  ::uname(&name);
  std::string boot(trim(find_file("/proc/sys/kernel/random/boot_id").value_or("")));
  // The same kernel answers differently inside a container: the namespaces and the filter in force belong to the key.
  std::string place = cat(find_link("/proc/self/ns/user").value_or(""), find_link("/proc/self/ns/mnt").value_or(""));
  std::string status = find_file("/proc/self/status").value_or("");
  auto filters = status.find("Seccomp_filters:");
  if (filters != std::string::npos) place += status.substr(filters, status.find('\n', filters) - filters);
  return cat(name.nodename, " ", name.release, " ", name.version, " ", boot, " ", place, " ", folder, " ", UDOCKER_VERSION);
}

}  // namespace

std::vector<ModeReport> judge_modes(const std::vector<host::Probe>& probes, bool apptainer_installed) {
  auto find = [&](Ability ability) -> const host::Probe& {
    static const host::Probe unknown;
    for (const auto& probe : probes)
      if (probe.ability == ability) return probe;
    return unknown;
  };
  std::vector<ModeReport> reports;
  for (const auto& row : needs_table()) {
    ModeReport report{row.mode, true, "", ""};
    auto lack = [&](const std::string& what) {
      report.works = false;
      report.lacks += cat(report.lacks.empty() ? "" : ", ", what);
    };
    auto describe = [](const host::Probe& probe) { return cat(host::ability_name(probe.ability), " (", probe.detail, ")"); };
    for (Ability ability : row.abilities)
      if (const auto& probe = find(ability); !probe.works) lack(describe(probe));
    const auto &files = find(Ability::own_files), &memory = find(Ability::memory_exec);
    if (row.executes_own_file && !files.works && !memory.works) lack(cat(describe(files), ", ", describe(memory)));
    if (family_of(row.mode) == Family::trap && host::blob::trap_runtime().empty()) lack("the trap engine, which this build does not carry");
    if (row.mode == Mode::T1 && report.works) {
      if (!host::kTrapPatches) report.note = "as T2, for patched copies are made on x86_64 only";
      else if (!files.works) report.note = cat("as T2, for want of ", describe(files));
    }
    if (row.mode == Mode::S1 && !apptainer_installed) lack("apptainer or singularity");
    reports.push_back(std::move(report));
  }
  return reports;
}

Mode best_mode(const std::vector<ModeReport>& reports) {
  for (const auto& report : reports)
    if (report.works) return report.mode;
  return Mode::P1;
}

std::vector<host::Probe> cached_probes(const std::string& folder) {
  try {
    if (auto text = find_file(cache_file(folder), 1 << 16)) {
      auto saved = json::parse(*text, cache_file(folder));
      if (saved["key"].as_string() == host_key(folder)) {
        std::vector<host::Probe> probes;
        for (const auto& item : saved["probes"].as_array())
          probes.push_back({static_cast<Ability>(item["ability"].as_integer()), item["works"].as_bool(), item["detail"].as_string()});
        if (probes.size() == host::kAbilities) return probes;
      }
    }
  } catch (const Error&) {  // an unreadable cache is probed anew
  }
  return fresh_probes(folder);
}

std::vector<host::Probe> fresh_probes(const std::string& folder) {
  auto probes = host::probe_all(folder);
  json::Value saved;
  saved.at("key") = host_key(folder);
  for (const auto& probe : probes)
    saved.at("probes").push_back(json::Object{{"ability", static_cast<int>(probe.ability)}, {"works", probe.works}, {"detail", probe.detail}});
  try {
    make_directories(folder);
    make_file(cache_file(folder), json::to_line(saved) + "\n");
  } catch (const Error&) {
  }
  return probes;
}

}  // namespace udocker::engine
