#include "embedded/launcher/container.hpp"

#include "embedded/launcher/act.hpp"
#include "embedded/launcher/process.hpp"
#include "embedded/launcher/supervise.hpp"
#include "embedded/launcher/terminal.hpp"
#include "host/idmap.hpp"
#include "host/namespaces.hpp"
#include "host/self.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstdlib>
#include <memory>

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace udocker::launcher {
namespace {

pid_t raw_clone(unsigned long flags) {
#if defined(__s390__)
  return static_cast<pid_t>(::syscall(SYS_clone, nullptr, flags));
#else
  return static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr));
#endif
}

void join_namespaces(const std::vector<oci::Namespace>& all) {
  for (const auto& entry : all) {
    UniqueFd file = open_fd(entry.path, O_RDONLY);
    if (::setns(file.get(), host::find_namespace_flag(entry.type).value_or(0)) != 0)
      throw_errno(cat("join the ", entry.type, " namespace"), entry.path);
  }
}

void own_maps(const Plan& plan) {
  int failed = host::write_own_maps(plan.uids, plan.gids);
  if (!failed) return;
  auto facts = host::read_user_namespace_facts();
  facts.root = plan.uids[0].outside == 0;  // our own id has no name in here yet
  throw NotSupported(host::explain_mapping_refusal(facts, failed));
}

void name_host(const Job& job) {
  auto set = [&](const std::string& name, int (*call)(const char*, size_t), std::string_view what) {
    if (!name.empty() && call(name.c_str(), name.size()) != 0 && !job.comfort.lenient) throw_errno(cat("set the ", what), name);
  };
  set(job.config.hostname, ::sethostname, "host name");
  set(job.config.domainname, ::setdomainname, "domain name");
}

void raise_loopback() {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  if (socket) ::ioctl(socket.get(), SIOCSIFFLAGS, &request);
}

void enter_late_namespaces(const Job& job) {
  if (job.plan.cgroup_namespace && ::unshare(CLONE_NEWCGROUP) != 0 && !job.comfort.lenient) throw_errno("make", "a cgroup namespace");
  if (!job.plan.time_namespace) return;
  if (::unshare(CLONE_NEWTIME) != 0) throw_errno("make", "a time namespace");
  std::string text;
  for (const auto& [clock, offset] : job.config.time_offsets) text += cat(clock, " ", offset.seconds, " ", offset.nanoseconds, "\n");
  if (text.empty()) return;
  UniqueFd file = open_fd("/proc/self/timens_offsets", O_WRONLY);
  write_all(file.get(), text, "/proc/self/timens_offsets");
}

// Waits until `start` opens the other side of the fifo and writes to it.
void wait_for_start(int fifo) {
  pollfd wait{fifo, POLLIN, 0};
  char byte;
  for (;;) {
    int got = ::poll(&wait, 1, -1);
    if (got < 0 && errno != EINTR) throw_errno("wait for", "start");
    if (got > 0 && ::read(fifo, &byte, 1) == 1) return;
  }
}

void enter_workdir(const Job& job) {
  const std::string& dir = job.config.process.cwd;
  if (::chdir(dir.c_str()) == 0) return;
  int saved = errno;
  if (saved == ENOENT && !job.comfort.lenient) {
    make_directories(dir, 0755);
    if (::chdir(dir.c_str()) == 0) return;
  }
  throw SystemError("enter the working directory", dir, saved);
}

struct Spawn {
  const ProgramStart& start;
  int socket;
};

int report(int socket, const Error& error) {
  try {
    send_signal(socket, Signal::failed, cat(static_cast<char>(error.exit_code()), error.what()));
  } catch (const Error&) {
    log::error(error.what());
  }
  return error.exit_code();
}

int program_child(void* argument) {
  auto& spawn = *static_cast<Spawn*>(argument);
  try {
    prepare_process(spawn.start);
    start_process(spawn.start);
  } catch (const Error& error) {
    ::_exit(report(spawn.socket, error));
  }
}

// The small process 1 of the tool's own runs.
[[noreturn]] void run_as_init(ProgramStart& start, int socket) {
  constexpr std::size_t kStack = 256 * 1024;
  auto stack = std::make_unique<char[]>(kStack);
  Spawn spawn{start, socket};
  pid_t child = ::clone(program_child, stack.get() + kStack, CLONE_VM | CLONE_VFORK | SIGCHLD, &spawn);
  if (child < 0) throw_errno("start", "the program");
  ::close(socket);
  stack.reset();
  start = {};
  Supervision supervision;
  supervision.child = child;
  supervision.forward_terminal_signals = false;
  supervision.reap_all = true;
  ::_exit(supervise(supervision));
}

void make_container(const Job& job, int socket) {
  if (job.comfort.init) ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const Plan& plan = job.plan;
  if (job.child_waits && receive_signal(socket).closed) ::_exit(1);
  std::vector<oci::Namespace> rest;
  for (const auto& entry : plan.join)
    if (entry.type != "user" && entry.type != "pid") rest.push_back(entry);
  join_namespaces(rest);
  if (plan.new_user_namespace) {
    if (!job.child_waits) own_maps(plan);
    // A range of ids: be its root while setting up. Where 0 is not mapped this changes nothing.
    if (::setresgid(0, 0, 0) == 0) (void)!::setresuid(0, 0, 0);
  }
  if (!job.comfort.keep_terminal && ::setsid() < 0 && errno != EPERM) throw_errno("make", "a new session");
  UniqueFd own;  // of a static build: a dynamic one would find its loader outside only
  if (job.own_program) own = open_fd("/proc/self/exe", O_PATH);
  UniqueFd fifo;
  if (job.wait_for_start) {
    fifo = open_fd(job.start_fifo, O_RDONLY | O_NONBLOCK);
    ::fcntl(fifo.get(), F_SETFL, 0);
  }
  name_host(job);
  if (plan.clone_flags & CLONE_NEWNET) raise_loopback();
  enter_late_namespaces(job);
  bool in_user_namespace = plan.new_user_namespace || job.config.has_namespace("user") || trim(find_file("/proc/self/uid_map").value_or("0 0 4294967295")) != "0          0 4294967295";
  Actor actor(job.comfort, in_user_namespace);
  for (const auto& step : plan.before) actor.act(step);
  const auto& hooks = job.config.hooks;
  if (!hooks.prestart.empty() || !hooks.create_runtime.empty()) {
    send_signal(socket, Signal::hooks);
    if (receive_signal(socket).closed) ::_exit(1);
  }
  run_hooks(hooks.create_container, "createContainer", state_json(job, ::getpid(), "creating"), job.config.root_path);
  if (plan.pivot) actor.pivot(plan.propagation);
  UniqueFd master;
  if (job.config.process.terminal && !job.comfort.keep_terminal) {
    master = open_container_terminal(job.config.process);
    if (job.console_socket >= 0) send_descriptor(job.console_socket, "/dev/ptmx", master.get());
    else send_signal(socket, Signal::console, {}, master.get());
    master.reset();
  }
  for (const auto& step : plan.after) actor.act(step);
  enter_workdir(job);
  ProgramStart start;
  start.process = &job.config.process;
  start.comfort = &job.comfort;
  start.environment = complete_environment(job.config.process, !job.comfort.lenient);
  start.executable_fd = own.get();
  if (!own) start.executable = job.executable.empty() ? find_executable(job.config.process) : job.executable;
  start.personality = job.config.personality;
  start.seccomp = job.seccomp;
  start.seccomp_flags = job.seccomp_flags;
  start.in_user_namespace = in_user_namespace;
  start.preserve_fds = job.preserve_fds;
  start.mask = job.mask;
  if (!job.comfort.init) prepare_process(start);
  if (job.wait_for_start) {
    check_ids(job.config.process);
    send_signal(socket, Signal::created);
    wait_for_start(fifo.get());
  }
  run_hooks(hooks.start_container, "startContainer", state_json(job, ::getpid(), "created"), "/");
  if (job.comfort.init) run_as_init(start, socket);
  start_process(start);
}

}  // namespace

void container_main(const Job& job, int socket) {
  try {
    make_container(job, socket);
  } catch (const Error& error) {
    ::_exit(report(socket, error));
  } catch (const std::bad_alloc&) {
    ::_exit(report(socket, Error("out of memory")));
  }
  ::_exit(1);
}

pid_t spawn_container(const Job& job, SocketPair& sockets) {
  const Plan& plan = job.plan;
  const oci::Namespace *user = nullptr, *pid = nullptr;
  for (const auto& entry : plan.join) {
    if (entry.type == "user") user = &entry;
    if (entry.type == "pid") pid = &entry;
  }
  unsigned long flags = static_cast<unsigned long>(plan.clone_flags) | SIGCHLD;
  if (user || pid) {
    // Joining changes what the next child gets: an intermediate process joins and makes the child our own (CLONE_PARENT).
    SocketPair number;
    pid_t helper = raw_clone(SIGCHLD);
    if (helper < 0) throw_errno("start", "a process");
    if (helper == 0) {
      try {
        for (const oci::Namespace* entry : {user, pid})
          if (entry) join_namespaces({*entry});
        pid_t child = raw_clone(flags | CLONE_PARENT);
        if (child < 0) throw_errno("make", "the namespaces of the container");
        if (child == 0) {
          sockets.parent.reset();
          container_main(job, sockets.child.get());
        }
        send_signal(number.child.get(), Signal::created, std::to_string(child));
        ::_exit(0);
      } catch (const Error& error) {
        ::_exit(report(number.child.get(), error));
      }
    }
    number.child.reset();
    int status;
    while (::waitpid(helper, &status, 0) < 0 && errno == EINTR) {
    }
    Message message = receive_signal(number.parent.get());
    if (message.closed || message.kind != Signal::created)
      throw Error(message.text.size() > 1 ? message.text.substr(1) : "the container's namespaces could not be joined");
    // The number is as the joined pid namespace's parent sees it: our own, as joining changes children only.
    return static_cast<pid_t>(parse_number(message.text).value_or(0));
  }
  pid_t child = raw_clone(flags);
  if (child == 0) {
    sockets.parent.reset();  // or errors after `create` would go to ourselves
    container_main(job, sockets.child.get());
  }
  if (child > 0) return child;
  int saved = errno;
  if (plan.new_user_namespace) throw NotSupported(host::explain_user_namespace_refusal(host::read_user_namespace_facts(), saved));
  throw SystemError("make", "the namespaces of the container", saved);
}

}  // namespace udocker::launcher
