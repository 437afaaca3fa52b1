// Namespaces: names, flags, and what it usually means when the kernel refuses them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace udocker::host {

// CLONE_NEW… flag of an OCI namespace type ("network", "mount" …).
std::optional<int> find_namespace_flag(std::string_view type);
// Name under /proc/PID/ns.
std::string namespace_file(std::string_view type);

// The facts of this host that decide about unprivileged user namespaces.
struct UserNamespaceFacts {
  std::optional<long> maximum;           // user.max_user_namespaces
  std::optional<long> debian_switch;     // kernel.unprivileged_userns_clone
  std::optional<long> apparmor_restricts;  // kernel.apparmor_restrict_unprivileged_userns
  bool kernel_has_them = true;           // /proc/self/ns/user exists
  bool filtered = false;                 // a seccomp filter is active: inside a container
  bool root = false;                     // effective uid 0
};
UserNamespaceFacts read_user_namespace_facts();

// One sentence: what was refused, why this is usual, what to use instead. Pure.
std::string explain_user_namespace_refusal(const UserNamespaceFacts& facts, int error);
std::string explain_mapping_refusal(const UserNamespaceFacts& facts, int error);
std::string explain_mount_refusal(const UserNamespaceFacts& facts, std::string_view type, std::string_view target, int error);

}  // namespace udocker::host
