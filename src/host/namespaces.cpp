#include "host/namespaces.hpp"

#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstring>

#include <sched.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace udocker::host {
namespace {

struct Row {
  const char* type;
  int flag;
  const char* file;
};
constexpr Row kRows[] = {{"user", CLONE_NEWUSER, "user"}, {"pid", CLONE_NEWPID, "pid"}, {"network", CLONE_NEWNET, "net"},
                         {"ipc", CLONE_NEWIPC, "ipc"},    {"uts", CLONE_NEWUTS, "uts"}, {"mount", CLONE_NEWNS, "mnt"},
                         {"cgroup", CLONE_NEWCGROUP, "cgroup"}, {"time", CLONE_NEWTIME, "time"}};

constexpr std::string_view kInstead = "use an execution mode without namespaces: P1, T1 or F1";

std::optional<long> read_number(const char* path) {
  auto text = find_file(path);
  if (!text) return std::nullopt;
  auto value = parse_number(trim(*text));
  return value ? std::optional(static_cast<long>(*value)) : std::nullopt;
}

}  // namespace

std::optional<int> find_namespace_flag(std::string_view type) {
  for (const auto& row : kRows)
    if (type == row.type) return row.flag;
  return std::nullopt;
}

std::string namespace_file(std::string_view type) {
  for (const auto& row : kRows)
    if (type == row.type) return row.file;
  return std::string(type);
}

UserNamespaceFacts read_user_namespace_facts() {
  UserNamespaceFacts facts;
  facts.maximum = read_number("/proc/sys/user/max_user_namespaces");
  facts.debian_switch = read_number("/proc/sys/kernel/unprivileged_userns_clone");
  facts.apparmor_restricts = read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  facts.kernel_has_them = path_exists("/proc/self/ns/user") || !path_exists("/proc/self");  // without /proc: who knows
  facts.root = ::geteuid() == 0;
  for (const auto& line : split(find_file("/proc/self/status").value_or(""), '\n'))
    if (line.starts_with("Seccomp:")) facts.filtered = trim(std::string_view(line).substr(8)) != "0";
  return facts;
}

std::string explain_user_namespace_refusal(const UserNamespaceFacts& facts, int error) {
  std::string why;
  if (!facts.kernel_has_them || error == EINVAL) why = "this kernel was built without them";
  else if (facts.maximum == 0) why = "the administrator has set user.max_user_namespaces to 0";
  else if (facts.debian_switch == 0) why = "the administrator has set kernel.unprivileged_userns_clone to 0";
  else if (error == ENOSPC || error == EUSERS) why = "the limit of user namespaces (user.max_user_namespaces) or of their nesting is reached";
  else if (facts.apparmor_restricts == 1) why = "AppArmor allows them to named programs only (kernel.apparmor_restrict_unprivileged_userns is 1)";
  else if (facts.filtered) why = "a seccomp filter is active, as it is inside Docker and Podman containers";
  else if (error == EPERM) why = "this process is in a changed root (chroot) or a security module forbids them";
  else why = std::strerror(error);
  return cat("the kernel refused a user namespace: ", why, "; ", kInstead);
}

std::string explain_mapping_refusal(const UserNamespaceFacts& facts, int error) {
  std::string why = facts.apparmor_restricts == 1
                        ? std::string("AppArmor takes the rights of user namespaces away (kernel.apparmor_restrict_unprivileged_userns is 1)")
                    : error == EPERM && facts.root
                        ? std::string("root itself may be mapped only by a process that has the capability SETFCAP")
                    : error == EPERM ? std::string("only the caller's own ids may be mapped without newuidmap and /etc/subuid")
                                     : std::string(std::strerror(error));
  return cat("the kernel refused to map ids into the user namespace: ", why, "; ", kInstead);
}

std::string explain_mount_refusal(const UserNamespaceFacts& facts, std::string_view type, std::string_view target, int error) {
  std::string why = std::strerror(error);
  bool denied = error == EPERM || error == EACCES;
  if (denied && facts.apparmor_restricts == 1)
    why = "AppArmor takes the rights of user namespaces away (kernel.apparmor_restrict_unprivileged_userns is 1)";
  else if (denied && type == "proc")
    why = "parts of /proc are hidden here, as they are inside Docker and Podman containers, and the kernel then allows no new one";
  else if (denied && type == "sysfs")
    why = "only the owner of the network namespace may mount it";
  else if (denied)
    why = "the user namespace has no right to it";
  else if (error == ENODEV)
    why = "this kernel does not know this file system";
  return cat("the kernel refused to mount ", type, " on ", target, ": ", why, "; ", kInstead);
}

}  // namespace udocker::host
