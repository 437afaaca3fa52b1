// What this host lets an ordinary user do, found out by doing it in a child process, never by version strings.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace udocker::host {

enum class Ability {
  seccomp_filter,   // a BPF filter can be installed
  seccomp_trap,     // … and its SIGSYS reaches a handler
  seccomp_trace,    // … and it can stop a traced process
  ptrace,           // a child can be traced
  process_memory,   // process_vm_readv on a child
  user_namespace,   // unshare(CLONE_NEWUSER) and its id map
  mount_namespace,  // mounts inside it
  proc_mount,       // a fresh proc in a new pid namespace
  overlay_mount,    // overlayfs inside it
  id_ranges,        // newuidmap and an entry in /etc/subuid
  memory_exec,      // executing from a memfd
  own_files,        // files of ours can be kept in a folder and mapped executable
  high_addresses,   // programs have 47 bits of addresses
};
inline constexpr int kAbilities = static_cast<int>(Ability::high_addresses) + 1;

struct Probe {
  Ability ability{};
  bool works = false;
  std::string detail;  // the kernel's answer when it does not
};

// Runs one probe, or all in the order of the enum. Never throws: a probe that cannot run is one that does not work.
// `folder` is where own_files tries; it is made when missing.
Probe probe(Ability ability, const std::string& folder);
std::vector<Probe> probe_all(const std::string& folder);
std::string_view ability_name(Ability ability);  // "user namespaces"

// What to ask the administrator for when the ability is missing; "" when there is nothing to ask for.
std::string advice(Ability ability);

}  // namespace udocker::host
