#include "host/capabilities.hpp"

#include "util/strings.hpp"

#include <cerrno>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace udocker::host {
namespace {

constexpr const char* kNames[] = {
    "chown",           "dac_override", "dac_read_search",    "fowner",         "fsetid",        "kill",
    "setgid",          "setuid",       "setpcap",            "linux_immutable", "net_bind_service", "net_broadcast",
    "net_admin",       "net_raw",      "ipc_lock",           "ipc_owner",      "sys_module",    "sys_rawio",
    "sys_chroot",      "sys_ptrace",   "sys_pacct",          "sys_admin",      "sys_boot",      "sys_nice",
    "sys_resource",    "sys_time",     "sys_tty_config",     "mknod",          "lease",         "audit_write",
    "audit_control",   "setfcap",      "mac_override",       "mac_admin",      "syslog",        "wake_alarm",
    "block_suspend",   "audit_read",   "perfmon",            "bpf",            "checkpoint_restore"};
constexpr int kCount = static_cast<int>(std::size(kNames));

struct Raw {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
};

std::uint64_t join(std::uint32_t low, std::uint32_t high) { return low | std::uint64_t{high} << 32; }

}  // namespace

std::optional<int> find_capability(std::string_view name) {
  std::string text = to_lower(name);
  if (text.starts_with("cap_")) text.erase(0, 4);
  for (int i = 0; i < kCount; ++i)
    if (text == kNames[i]) return i;
  return std::nullopt;
}

std::vector<std::string> all_capabilities() {
  std::vector<std::string> out;
  for (const char* name : kNames) {
    std::string text = cat("CAP_", name);
    for (char& c : text)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    out.push_back(std::move(text));
  }
  return out;
}

std::uint64_t capability_bits(const std::vector<std::string>& names, std::vector<std::string>* unknown) {
  std::uint64_t bits = 0;
  for (const auto& name : names) {
    if (auto number = find_capability(name)) bits |= std::uint64_t{1} << *number;
    else if (unknown) unknown->push_back(name);
  }
  return bits;
}

CapabilitySets own_capabilities() {
  CapabilitySets out;
  Raw raw;
  if (::syscall(SYS_capget, &raw.header, raw.data) != 0) return out;
  out.effective = join(raw.data[0].effective, raw.data[1].effective);
  out.permitted = join(raw.data[0].permitted, raw.data[1].permitted);
  out.inheritable = join(raw.data[0].inheritable, raw.data[1].inheritable);
  for (int i = 0; i < kCount; ++i) {
    if (::prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) out.bounding |= std::uint64_t{1} << i;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1) out.ambient |= std::uint64_t{1} << i;
  }
  return out;
}

int limit_bounding(std::uint64_t bounding) {
  for (int i = 0; i < 64; ++i) {
    if (bounding >> i & 1) continue;
    if (::prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break;  // past the kernel's last capability
    return errno;
  }
  return 0;
}

static int set_three(std::uint64_t effective, std::uint64_t permitted, std::uint64_t inheritable) {
  Raw raw;
  for (int i = 0; i < 2; ++i) {
    raw.data[i].effective = static_cast<std::uint32_t>(effective >> (32 * i));
    raw.data[i].permitted = static_cast<std::uint32_t>(permitted >> (32 * i));
    raw.data[i].inheritable = static_cast<std::uint32_t>(inheritable >> (32 * i));
  }
  return ::syscall(SYS_capset, &raw.header, raw.data) == 0 ? 0 : errno;
}

int apply_capabilities(const CapabilitySets& sets) {
  Raw raw;
  if (::syscall(SYS_capget, &raw.header, raw.data) != 0) return errno;
  std::uint64_t have = join(raw.data[0].permitted, raw.data[1].permitted);
  std::uint64_t permitted = sets.permitted & have;
  if (int failed = set_three(sets.effective & permitted, permitted, sets.inheritable & have)) return failed;
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int i = 0; i < kCount; ++i)
    if (sets.ambient >> i & 1) ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
  return 0;
}

int raise_permitted() {
  Raw raw;
  if (::syscall(SYS_capget, &raw.header, raw.data) != 0) return errno;
  for (auto& half : raw.data) half.effective = half.permitted;
  return ::syscall(SYS_capset, &raw.header, raw.data) == 0 ? 0 : errno;
}

}  // namespace udocker::host
