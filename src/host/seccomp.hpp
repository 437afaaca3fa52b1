// System call filters. The door to libseccomp: no other file includes it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace udocker::host {

struct SeccompArgument {
  unsigned index = 0;
  std::uint64_t value = 0, value_two = 0;
  std::string op;  // "SCMP_CMP_EQ" …
};

struct SeccompRule {
  std::vector<std::string> names;
  std::string action;  // "SCMP_ACT_ALLOW" …
  std::optional<unsigned> errno_ret;
  std::vector<SeccompArgument> arguments;
};

struct SeccompProfile {
  std::string default_action;
  std::optional<unsigned> default_errno;
  std::vector<std::string> architectures;  // "SCMP_ARCH_X86_64" …; the native one is always in
  std::vector<std::string> flags;          // "SECCOMP_FILTER_FLAG_LOG" …
  std::string listener_path, listener_metadata;
  std::vector<SeccompRule> rules;
};

// The filter program (array of struct sock_filter as bytes). System calls unknown to libseccomp are left out, as runc does.
// Throws NotSupported naming an action, operator or architecture it does not know.
std::string compile_seccomp(const SeccompProfile& profile);

// Flags for seccomp(2) named in the profile. Throws NotSupported on an unknown name.
unsigned seccomp_flags(const SeccompProfile& profile);

// Installs a compiled filter for this process. Returns 0 or errno.
int install_seccomp(const std::string& filter, unsigned flags);

// Names for `features`.
std::vector<std::string> known_seccomp_actions();
std::vector<std::string> known_seccomp_operators();
std::vector<std::string> known_seccomp_architectures();
std::string seccomp_library_version();

}  // namespace udocker::host
