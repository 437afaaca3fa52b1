// What this host lets an ordinary user do, found out by doing it in a child process, never by version strings.
#pragma once
#include <string>
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
};

struct Probe {
  Ability ability;
  const char* name;  // "user namespaces"
  bool works = false;
  std::string detail;  // the kernel's answer when it does not
};

// Runs one probe, or all in the order of the enum. Never throws: a probe that cannot run is one that does not work.
Probe probe(Ability ability);
std::vector<Probe> probe_all();

// What to ask the administrator for when the ability is missing; "" when there is nothing to ask for.
std::string advice(Ability ability);

}  // namespace udocker::host
