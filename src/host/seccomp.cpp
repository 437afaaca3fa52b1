#include "host/seccomp.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstring>
#include <set>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace udocker::host {
namespace {

struct ArchName {
  const char* name;
  std::uint32_t token;
};
constexpr ArchName kArchitectures[] = {
    {"SCMP_ARCH_X86", SCMP_ARCH_X86},
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
    {"SCMP_ARCH_X32", SCMP_ARCH_X32},
    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
    {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},
    {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
    {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32},
    {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
    {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},
    {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
    {"SCMP_ARCH_PPC", SCMP_ARCH_PPC},
    {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
    {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
    {"SCMP_ARCH_S390", SCMP_ARCH_S390},
    {"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
    {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
};
constexpr const char* kActions[] = {"SCMP_ACT_KILL",         "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
                                    "SCMP_ACT_TRAP",         "SCMP_ACT_ERRNO",        "SCMP_ACT_TRACE",
                                    "SCMP_ACT_ALLOW",        "SCMP_ACT_LOG"};
struct OperatorName {
  const char* name;
  scmp_compare op;
};
constexpr OperatorName kOperators[] = {
    {"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

std::uint32_t action_of(const std::string& name, std::optional<unsigned> errno_ret) {
  std::uint32_t code = errno_ret.value_or(EPERM) & 0xffff;
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(code);
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(code);
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  throw NotSupported(cat("seccomp profile: action ", printable(name), " is not supported"));
}

scmp_compare operator_of(const std::string& name) {
  for (const auto& row : kOperators)
    if (name == row.name) return row.op;
  throw NotSupported(cat("seccomp profile: operator ", printable(name), " is not known"));
}

// Owner of a libseccomp context.
class Context {
 public:
  explicit Context(std::uint32_t action) : context_(seccomp_init(action)) {
    if (!context_) throw Error("seccomp profile: the default action cannot be used");
  }
  ~Context() { seccomp_release(context_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  scmp_filter_ctx get() const { return context_; }

 private:
  scmp_filter_ctx context_;
};

void check(int status, std::string_view what) {
  if (status < 0) throw Error(cat("seccomp profile: ", what, ": ", std::strerror(-status)));
}

void add_architectures(const Context& context, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    const ArchName* found = nullptr;
    for (const auto& row : kArchitectures)
      if (name == row.name) found = &row;
    if (!found) throw NotSupported(cat("seccomp profile: architecture ", printable(name), " is not known"));
    int status = seccomp_arch_add(context.get(), found->token);
    if (status < 0 && status != -EEXIST && status != -EDOM && status != -EINVAL)
      check(status, cat("architecture ", name));
  }
}

// As in runc: several conditions on one argument cannot stand in one rule, so each becomes a rule of its own.
std::vector<std::vector<scmp_arg_cmp>> conditions_of(const SeccompRule& rule) {
  std::vector<scmp_arg_cmp> all;
  std::set<unsigned> seen;
  bool repeated = false;
  for (const auto& argument : rule.arguments) {
    repeated |= !seen.insert(argument.index).second;
    all.push_back({argument.index, operator_of(argument.op), argument.value, argument.value_two});
  }
  if (!repeated) return {all};
  std::vector<std::vector<scmp_arg_cmp>> out;
  for (const auto& one : all) out.push_back({one});
  return out;
}

void add_rule(const Context& context, const SeccompRule& rule, std::uint32_t default_action) {
  std::uint32_t action = action_of(rule.action, rule.errno_ret);
  if (action == default_action) return;
  auto conditions = conditions_of(rule);
  for (const auto& name : rule.names) {
    int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;
    for (const auto& set : conditions)
      check(seccomp_rule_add_array(context.get(), action, number, static_cast<unsigned>(set.size()), set.data()),
            cat("rule for ", name));
  }
}

}  // namespace

std::string compile_seccomp(const SeccompProfile& profile) {
  if (!profile.listener_path.empty())
    throw NotSupported("seccomp profile: listenerPath is not supported", "use a profile without SCMP_ACT_NOTIFY");
  std::uint32_t default_action = action_of(profile.default_action, profile.default_errno);
  Context context(default_action);
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_NNP, 0);
#ifdef SCMP_FLTATR_CTL_OPTIMIZE
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
#endif
  add_architectures(context, profile.architectures);
  for (const auto& rule : profile.rules) add_rule(context, rule, default_action);
  UniqueFd memory(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!memory) throw_errno("create", "memory file for the seccomp filter");
  check(seccomp_export_bpf(context.get(), memory.get()), "compile");
  off_t size = ::lseek(memory.get(), 0, SEEK_END);
  ::lseek(memory.get(), 0, SEEK_SET);
  std::string program(static_cast<std::size_t>(size), '\0');
  read_full(memory.get(), program.data(), program.size(), "seccomp filter");
  return program;
}

unsigned seccomp_flags(const SeccompProfile& profile) {
  unsigned flags = 0;
  for (const auto& name : profile.flags) {
    if (name == "SECCOMP_FILTER_FLAG_TSYNC") continue;  // there is one thread
    else if (name == "SECCOMP_FILTER_FLAG_LOG") flags |= SECCOMP_FILTER_FLAG_LOG;
    else if (name == "SECCOMP_FILTER_FLAG_SPEC_ALLOW") flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    else if (name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") continue;  // only with a listener
    else throw NotSupported(cat("seccomp profile: flag ", printable(name), " is not known"));
  }
  return flags;
}

int install_seccomp(const std::string& filter, unsigned flags) {
  sock_fprog program{static_cast<unsigned short>(filter.size() / sizeof(sock_filter)),
                     reinterpret_cast<sock_filter*>(const_cast<char*>(filter.data()))};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0 ? 0 : errno;
}

std::vector<std::string> known_seccomp_actions() { return {std::begin(kActions), std::end(kActions)}; }

std::vector<std::string> known_seccomp_operators() {
  std::vector<std::string> out;
  for (const auto& row : kOperators) out.emplace_back(row.name);
  return out;
}

std::vector<std::string> known_seccomp_architectures() {
  std::vector<std::string> out;
  for (const auto& row : kArchitectures) out.emplace_back(row.name);
  return out;
}

std::string seccomp_library_version() {
  const scmp_version* version = seccomp_version();
  return cat(version->major, ".", version->minor, ".", version->micro);
}

}  // namespace udocker::host
