#include "embedded/launcher/process.hpp"

#include "host/capabilities.hpp"
#include "host/seccomp.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <grp.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

namespace udocker::launcher {
namespace {

struct LimitName {
  const char* name;
  int number;
};
constexpr LimitName kLimits[] = {{"AS", RLIMIT_AS},           {"CORE", RLIMIT_CORE},       {"CPU", RLIMIT_CPU},
                                 {"DATA", RLIMIT_DATA},       {"FSIZE", RLIMIT_FSIZE},     {"LOCKS", RLIMIT_LOCKS},
                                 {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},
                                 {"NOFILE", RLIMIT_NOFILE},   {"NPROC", RLIMIT_NPROC},     {"RSS", RLIMIT_RSS},
                                 {"RTPRIO", RLIMIT_RTPRIO},   {"RTTIME", RLIMIT_RTTIME},   {"SIGPENDING", RLIMIT_SIGPENDING},
                                 {"STACK", RLIMIT_STACK}};

void apply_limits(const oci::Process& process, bool lenient) {
  for (const auto& limit : process.rlimits) {
    int number = -1;
    for (const auto& row : kLimits)
      if (limit.type == cat("RLIMIT_", row.name)) number = row.number;
    if (number < 0) throw Error(cat("process.rlimits: ", printable(limit.type), " is not known"));
    rlimit value{limit.soft, limit.hard};
    // the raw call: libcs differ in the type of the resource
    if (::syscall(SYS_prlimit64, 0, number, &value, nullptr) == 0 || lenient) continue;
    throw_errno(cat("set ", limit.type, " to"), cat(limit.soft, ":", limit.hard));
  }
}

void write_attribute(const char* path, const std::string& text, std::string_view what) {
  UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) < 0) throw_errno(cat("apply ", what), text);
}

void apply_personality(const std::string& domain) {
  if (domain.empty()) return;
  unsigned long wanted = domain == "LINUX" ? PER_LINUX : domain == "LINUX32" ? PER_LINUX32 : ~0ul;
  if (wanted == ~0ul) throw Error(cat("linux.personality: the domain ", printable(domain), " is not known; LINUX and LINUX32 are"));
  if (::personality(wanted) < 0) throw_errno("set the personality", domain);
}

void apply_labels(const oci::Process& process) {
  if (!process.apparmor_profile.empty()) {
    if (!path_exists("/sys/module/apparmor/parameters/enabled"))
      throw NotSupported(cat("process.apparmorProfile ", process.apparmor_profile, ": this kernel has no AppArmor"));
    const char* modern = "/proc/self/attr/apparmor/exec";
    write_attribute(path_exists(modern) ? modern : "/proc/self/attr/exec", cat("exec ", process.apparmor_profile), "the AppArmor profile");
  }
  if (!process.selinux_label.empty()) {
    if (!path_exists("/sys/fs/selinux")) throw NotSupported(cat("process.selinuxLabel ", process.selinux_label, ": this kernel has no SELinux"));
    write_attribute("/proc/self/attr/exec", process.selinux_label, "the SELinux label");
  }
}

void apply_ids(const oci::Process& process, bool lenient) {
  std::vector<gid_t> groups(process.additional_gids.begin(), process.additional_gids.end());
  // raw calls: in the child of a vfork libc's own bookkeeping belongs to the parent
  if (::syscall(SYS_setgroups, groups.size(), groups.data()) != 0 && !groups.empty() && !lenient) {
    int saved = errno;
    if (saved == EPERM)
      throw NotSupported("process.user.additionalGids: groups cannot be set where only one id is mapped", "map a range of ids with newgidmap");
    throw SystemError("set", "additional groups", saved);
  }
  if (::syscall(SYS_setresgid, process.gid, process.gid, process.gid) != 0) throw_errno("become group", std::to_string(process.gid));
  if (::syscall(SYS_setresuid, process.uid, process.uid, process.uid) != 0) throw_errno("become user", std::to_string(process.uid));
}

// struct sched_attr of the kernel, which libcs do not carry.
struct SchedulerAttributes {
  std::uint32_t size = sizeof(SchedulerAttributes), policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};

void apply_scheduling(const oci::Process& process) {
  if (const auto& wanted = process.scheduler; wanted.is_object()) {
    constexpr const char* kPolicies[] = {"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"};
    SchedulerAttributes attributes;
    const std::string& name = wanted["policy"].as_string();
    auto found = std::ranges::find(kPolicies, name);
    if (found == std::end(kPolicies) || name == "SCHED_ISO") throw Error(cat("process.scheduler: ", printable(name), " is not known"));
    attributes.policy = static_cast<std::uint32_t>(found - std::begin(kPolicies));
    attributes.nice = static_cast<std::int32_t>(wanted["nice"].as_integer());
    attributes.priority = static_cast<std::uint32_t>(wanted["priority"].as_integer());
    attributes.runtime = static_cast<std::uint64_t>(wanted["runtime"].as_integer());
    attributes.deadline = static_cast<std::uint64_t>(wanted["deadline"].as_integer());
    attributes.period = static_cast<std::uint64_t>(wanted["period"].as_integer());
    for (const auto& flag : wanted["flags"].as_array())
      if (flag.as_string() == "SCHED_FLAG_RESET_ON_FORK") attributes.flags |= 1;
    if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) throw_errno("set the scheduling policy", name);
  }
  if (const auto& wanted = process.io_priority; wanted.is_object()) {
    constexpr const char* kClasses[] = {"", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"};
    const std::string& name = wanted["class"].as_string();
    auto found = std::ranges::find(kClasses, name);
    if (found == std::end(kClasses)) throw Error(cat("process.ioPriority: ", printable(name), " is not known"));
    long value = (found - std::begin(kClasses)) << 13 | (wanted["priority"].as_integer() & 7);
    if (::syscall(SYS_ioprio_set, 1, 0, value) != 0) throw_errno("set the I/O priority", name);
  }
}

void close_descriptors(const ProgramStart& start) {
  if (start.comfort->keep_descriptors) return;
  unsigned first = 3 + static_cast<unsigned>(start.preserve_fds);
  if (::syscall(SYS_close_range, first, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */) == 0) return;
  for (const auto& name : list_directory("/proc/self/fd"))
    if (auto number = parse_number(name); number && *number >= first) ::fcntl(static_cast<int>(*number), F_SETFD, FD_CLOEXEC);
}

void install_filter(const ProgramStart& start) {
  if (start.seccomp.empty()) return;
  if (int failed = host::install_seccomp(start.seccomp, start.seccomp_flags))
    throw SystemError("install", "the seccomp filter", failed);
}

host::CapabilitySets sets_of(const oci::Capabilities& caps) {
  return {host::capability_bits(caps.bounding), host::capability_bits(caps.effective), host::capability_bits(caps.inheritable),
          host::capability_bits(caps.permitted), host::capability_bits(caps.ambient)};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

std::string find_executable(const oci::Process& process) {
  if (process.args.empty()) throw Error("process.args is empty: there is no program to start");
  const std::string& name = process.args[0];
  auto usable = [](const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0;
  };
  if (name.find('/') != std::string::npos) {
    if (usable(name)) return name;
    throw Error(cat("cannot execute ", name, path_exists(name) ? ": permission denied" : ": no such file in the container"),
                path_exists(name) ? 126 : 127);
  }
  std::string list;
  for (const auto& entry : process.env)
    if (entry.starts_with("PATH=")) list = entry.substr(5);
  bool found = false;
  for (const auto& dir : list.empty() ? std::vector<std::string>{} : split(list, ':')) {
    std::string candidate = cat(dir.empty() ? "." : dir, "/", name);
    if (usable(candidate)) return candidate;
    found |= path_exists(candidate);
  }
  throw Error(cat("cannot execute ", name, found ? ": permission denied" : ": executable file not found in $PATH of the container"), found ? 126 : 127);
}

std::vector<std::string> complete_environment(const oci::Process& process, bool add_home) {
  if (!add_home) return process.env;
  std::vector<std::string> out;
  for (const auto& entry : process.env) {
    auto equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) throw Error(cat("process.env: ", printable(entry), " is not NAME=VALUE"));
    std::erase_if(out, [&](const std::string& other) { return other.starts_with(entry.substr(0, equals + 1)); });  // the last one counts
    out.push_back(entry);
  }
  for (const auto& entry : out)
    if (entry.starts_with("HOME=")) return out;
  std::string home = "/";
  for (const auto& line : split(find_file("/etc/passwd").value_or(""), '\n')) {
    auto fields = split(line, ':');
    if (fields.size() >= 6 && fields[2] == std::to_string(process.uid)) {
      home = fields[5];
      break;
    }
  }
  out.push_back(cat("HOME=", home));
  return out;
}

void check_ids(const oci::Process& process) {
  auto check = [](const char* file, const char* what, std::uint32_t id) {
    for (const auto& line : split(find_file(file).value_or("0 0 4294967295"), '\n')) {
      auto words = split_words(line);
      if (words.size() != 3) continue;
      auto first = parse_number(words[0]), size = parse_number(words[2]);
      if (first && size && id >= *first && id - *first < *size) return;
    }
    throw Error(cat("become ", what, " ", id, ": the container's user namespace maps no such id"));
  };
  check("/proc/self/uid_map", "user", process.uid);
  check("/proc/self/gid_map", "group", process.gid);
}

void prepare_process(const ProgramStart& start) {
  const oci::Process& process = *start.process;
  bool lenient = start.comfort->lenient;
  apply_limits(process, lenient);
  apply_scheduling(process);
  if (process.oom_score_adj) {
    UniqueFd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    std::string text = std::to_string(*process.oom_score_adj);
    bool done = file && ::write(file.get(), text.data(), text.size()) > 0;
    if (!done && !lenient) throw_errno("set oom_score_adj to", text);
  }
}

void start_process(const ProgramStart& start) {
  const oci::Process& process = *start.process;
  bool lenient = start.comfort->lenient;
  apply_labels(process);
  apply_personality(start.personality);
  if (process.umask) ::umask(*process.umask);
  if (!process.no_new_privileges) install_filter(start);
  const oci::Capabilities capabilities = process.capabilities.value_or(oci::Capabilities{});  // absent: none at all
  if (int failed = host::limit_bounding(host::capability_bits(capabilities.bounding)); failed && !lenient)
    throw SystemError("limit", "the capability bounding set", failed);
  ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  apply_ids(process, lenient);
  ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
  if (int failed = host::apply_capabilities(sets_of(capabilities))) throw SystemError("set", "capabilities", failed);
  if (process.no_new_privileges) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("set", "no_new_privs");
    install_filter(start);
  }
  auto argv = pointers(process.args), envp = pointers(start.environment);
  close_descriptors(start);
  ::sigprocmask(SIG_SETMASK, &start.mask, nullptr);
  if (start.executable_fd >= 0) {
    ::syscall(SYS_execveat, start.executable_fd, "", argv.data(), envp.data(), AT_EMPTY_PATH);
    if (errno == ENOENT) throw NotSupported("modes R2 and R3 need the static build of this program", "use R1 or P1", 126);
    throw_errno("execute", "this program inside the container");
  }
  ::execve(start.executable.c_str(), argv.data(), envp.data());
  int saved = errno;
  if (saved == ENOEXEC) {  // a script without #!, as every shell and execvp() starts it
    std::string shell = "/bin/sh";
    argv.insert(argv.begin(), shell.data());
    argv[1] = const_cast<char*>(start.executable.c_str());
    if (start.comfort->lenient) ::execve("/bin/sh", argv.data(), envp.data());
  }
  std::string why = saved == ENOENT ? ": its interpreter or loader is missing in the container"
                    : saved == ENOEXEC ? ": it is not a program for this machine"
                                       : cat(": error ", saved);
  throw Error(cat("cannot execute ", start.executable, why), saved == ENOENT ? 127 : 126);
}

}  // namespace udocker::launcher
