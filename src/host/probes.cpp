#include "host/probes.hpp"

#include "host/self.hpp"
#include "host/users.hpp"
#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::host {

namespace {

// In the child: ends it with the errno of the step that failed; 255 means "wrong behaviour without an errno".
constexpr int kWrong = 255;
[[noreturn]] void finish(int error) { ::_exit(error); }
void must(long result) {
  if (result < 0) finish(errno ? errno : kWrong);
}

int wait_status(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kWrong;
}

// Result of `body` in a child process: 0 or an errno.
int in_child(void (*body)()) {
  pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) {
    ::signal(SIGSYS, SIG_DFL);
    ::alarm(5);
    body();
    finish(0);
  }
  return wait_status(child);
}

void install_filter(unsigned action) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {static_cast<unsigned short>(std::size(code)), code};
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  must(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

void try_filter() {
  install_filter(SECCOMP_RET_ERRNO | EXDEV);
  if (::syscall(SYS_getppid) != -1 || errno != EXDEV) finish(kWrong);
}

volatile sig_atomic_t g_trapped = 0;
void on_trap(int) { g_trapped = 1; }

void try_trap() {
  ::signal(SIGSYS, on_trap);
  install_filter(SECCOMP_RET_TRAP);
  ::syscall(SYS_getppid);
  if (!g_trapped) finish(kWrong);
}

void trace_child(bool with_filter) {
  pid_t child = ::fork();
  must(child);
  if (child == 0) {
    must(::ptrace(PTRACE_TRACEME, 0, 0, 0));
    ::raise(SIGSTOP);
    if (with_filter) install_filter(SECCOMP_RET_TRACE);
    ::syscall(SYS_getppid);
    finish(0);
  }
  int status = 0;
  must(::waitpid(child, &status, 0));
  if (!WIFSTOPPED(status)) finish(WIFEXITED(status) ? WEXITSTATUS(status) : kWrong);
  must(::ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL));
  bool seen = !with_filter;
  for (;;) {
    must(::ptrace(PTRACE_CONT, child, 0, 0));
    must(::waitpid(child, &status, 0));
    if (!WIFSTOPPED(status)) break;
    seen = seen || status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
  }
  finish(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : seen ? 0 : kWrong);
}

void try_ptrace() { trace_child(false); }
void try_trace() { trace_child(true); }

void try_process_memory() {
  static int value = 42;
  pid_t child = ::fork();
  must(child);
  if (child == 0) {
    ::pause();
    finish(0);
  }
  int copy = 0;
  iovec local = {&copy, sizeof copy}, remote = {&value, sizeof value};
  long got = ::process_vm_readv(child, &local, 1, &remote, 1, 0);
  int error = errno;
  ::kill(child, SIGKILL);
  if (got < 0) finish(error);
  finish(copy == 42 ? 0 : kWrong);
}

void write_text(const char* path, const std::string& text) {
  int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  must(fd);
  must(::write(fd, text.data(), text.size()));
  ::close(fd);
}

void enter_user_namespace(int more) {
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();
  must(::unshare(CLONE_NEWUSER | more));
  int groups = ::open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
  if (groups >= 0) must(::write(groups, "deny", 4));
  write_text("/proc/self/uid_map", cat("0 ", uid, " 1"));
  write_text("/proc/self/gid_map", cat("0 ", gid, " 1"));
}

void try_user_namespace() { enter_user_namespace(0); }

void try_mount_namespace() {
  enter_user_namespace(CLONE_NEWNS);
  must(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  must(::mount("none", "/", "tmpfs", 0, nullptr));
}

void try_proc_mount() {
  enter_user_namespace(CLONE_NEWNS | CLONE_NEWPID);
  pid_t child = ::fork();
  must(child);
  if (child == 0) {
    must(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    must(::mount("proc", "/proc", "proc", 0, nullptr));
    finish(0);
  }
  finish(wait_status(child));
}

void try_overlay() {
  enter_user_namespace(CLONE_NEWNS);
  must(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  must(::mount("none", "/tmp", "tmpfs", 0, nullptr));
  for (const char* dir : {"/tmp/l", "/tmp/u", "/tmp/w", "/tmp/m"}) must(::mkdir(dir, 0700));
  must(::mount("overlay", "/tmp/m", "overlay", 0, "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w,userxattr"));
}

void try_memory_exec() {
  long fd = ::syscall(SYS_memfd_create, "udocker-probe", 0u);
  must(fd);
  static const char script[] = "#!/bin/sh\nexit 0\n";
  must(::write(static_cast<int>(fd), script, sizeof script - 1));
  char* argv[] = {const_cast<char*>("probe"), nullptr};
  char* envp[] = {nullptr};
  must(::syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH));
}

void try_high_addresses() {
  if (!has_trap_addresses()) finish(ENOMEM);
}

int try_own_files(const std::string& folder) {
  try {
    make_directories(folder);
    TempDir place(folder, "probe");
    std::string path = cat(place.path(), "/file");
    make_file(path, "x", 0755);
    UniqueFd file = open_fd(path, O_RDONLY);
    void* page = ::mmap(nullptr, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, file.get(), 0);
    if (page == MAP_FAILED) return errno;
    ::munmap(page, 1);
    return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
  } catch (const SystemError& error) {
    return error.errno_value();
  } catch (const Error&) {
    return kWrong;
  }
}

int try_id_ranges() {
  const char* path = std::getenv("PATH");
  std::string places = cat(path ? path : "", ":/usr/bin:/bin");
  if (!find_program("newuidmap", places) || !find_program("newgidmap", places)) return ENOENT;
  std::string name = current_user().name, uid = cat(::getuid());
  auto text = find_file("/etc/subuid").value_or("");
  for (const auto& line : split(text, '\n'))
    if (auto fields = split(line, ':'); fields.size() == 3 && (fields[0] == name || fields[0] == uid)) return 0;
  return ENODATA;
}

struct Row {
  Ability ability;
  const char* name;
  void (*body)();
  const char* advice;
};

constexpr Row kRows[] = {
    {Ability::seccomp_filter, "seccomp filters", try_filter, "a kernel with CONFIG_SECCOMP_FILTER, and a container profile that allows prctl(PR_SET_SECCOMP)"},
    {Ability::seccomp_trap, "seccomp traps", try_trap, "the same as for seccomp filters"},
    {Ability::seccomp_trace, "seccomp with ptrace", try_trace, "the same as for seccomp filters and for ptrace"},
    {Ability::ptrace, "ptrace", try_ptrace, "kernel.yama.ptrace_scope of 0 or 1, and a container profile that allows ptrace"},
    {Ability::process_memory, "process memory access", try_process_memory, "a container profile that allows process_vm_readv"},
    {Ability::user_namespace, "user namespaces", try_user_namespace,
     "user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1, and on Ubuntu an AppArmor profile for udocker (or kernel.apparmor_restrict_unprivileged_userns=0)"},
    {Ability::mount_namespace, "mounts in a user namespace", try_mount_namespace, "the same as for user namespaces, and no mask of mount in a container profile"},
    {Ability::proc_mount, "a fresh /proc", try_proc_mount, "a host whose own /proc is not masked (inside Docker: --security-opt systempaths=unconfined)"},
    {Ability::overlay_mount, "overlayfs in a user namespace", try_overlay, "a kernel of 5.11 or newer with overlayfs"},
    {Ability::id_ranges, "ranges of user ids", nullptr, "the package uidmap and a line for you in /etc/subuid and /etc/subgid"},
    {Ability::memory_exec, "executing from memory", try_memory_exec, "vm.memfd_noexec below 2"},
    {Ability::own_files, "a folder for executable files", nullptr, "a place for UDOCKER_LIB that you may write to, on a file system mounted without noexec"},
    {Ability::high_addresses, "addresses of 47 bits", try_high_addresses, "on ARM a kernel with CONFIG_ARM64_VA_BITS of 47 or more"},
};

const Row& row_of(Ability ability) { return kRows[static_cast<std::size_t>(ability)]; }

}  // namespace

Probe probe(Ability ability, const std::string& folder) {
  const Row& row = row_of(ability);
  if (inside_trap_engine()) {
    // It runs inside itself and pretends filters; a tracer would meet its signals.
    if (ability == Ability::seccomp_filter || ability == Ability::seccomp_trap) return {ability, true, ""};
    if (ability == Ability::ptrace || ability == Ability::seccomp_trace) return {ability, false, "inside the trap engine"};
  }
  int error = row.body ? in_child(row.body) : ability == Ability::own_files ? try_own_files(folder) : try_id_ranges();
  return {ability, error == 0, error == 0 ? "" : error == kWrong ? "no effect" : std::strerror(error)};
}

std::vector<Probe> probe_all(const std::string& folder) {
  std::vector<Probe> out;
  for (const auto& row : kRows) out.push_back(probe(row.ability, folder));
  return out;
}

std::string_view ability_name(Ability ability) { return row_of(ability).name; }

std::string advice(Ability ability) { return row_of(ability).advice; }

}  // namespace udocker::host
