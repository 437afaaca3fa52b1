// exec: one more process in a running container.
#include "embedded/launcher/commands.hpp"
#include "embedded/launcher/process.hpp"
#include "embedded/launcher/state.hpp"
#include "embedded/launcher/supervise.hpp"
#include "embedded/launcher/sync.hpp"
#include "embedded/launcher/terminal.hpp"
#include "host/cgroup.hpp"
#include "host/namespaces.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::launcher {
namespace {

constexpr cli::Option kOptions[] = {
    {"-d --detach", "", "return when the program has started"},
    {"-t --tty", "", "give it a terminal"},
    {"-u --user", "UID[:GID]", "ids of the process"},
    {"-g --additional-gids", "GID", "one more group", cli::Repeat::list},
    {"-e --env", "K=V", "one more variable", cli::Repeat::list},
    {"--cwd", "DIR", "working directory in the container"},
    {"-c --cap", "CAP", "one more capability", cli::Repeat::list},
    {"-p --process", "FILE", "process.json to use instead of the words"},
    {"--pid-file", "PATH", "write the process id here"},
    {"--console-socket", "PATH", "socket that gets the master side of the terminal"},
    {"--process-label", "LABEL", "SELinux label"},
    {"--apparmor", "PROFILE", "AppArmor profile"},
    {"--no-new-privs", "", "set no_new_privs"},
    {"--preserve-fds", "N", "pass N more descriptors than 0, 1 and 2"},
    {"--no-subreaper", "", "accepted for compatibility"},
    {"--ignore-paused", "", "do not refuse a paused container"},
    {"--cgroup", "PATH", "accepted for compatibility"},
};

std::uint32_t number_of(std::string_view text, std::string_view option) {
  auto number = parse_number(text);
  if (!number || *number > 0xfffffffe) throw UsageError(cat(option, ": ", printable(text), " is not an id"));
  return static_cast<std::uint32_t>(*number);
}

oci::Process process_of(const State& state, const cli::Arguments& args) {
  if (auto path = args.value("process")) return oci::parse_process(json::parse(load_file(*path), *path), *path);
  oci::Process process = oci::parse_process(state.config["process"], "config.json");
  process.args.assign(args.words().begin() + 1, args.words().end());
  if (process.args.empty()) throw UsageError("exec: the program is missing");
  process.terminal = args.has("tty");
  if (auto dir = args.value("cwd")) process.cwd = *dir;
  if (auto user = args.value("user")) {
    auto parts = split(*user, ':');
    process.uid = number_of(parts[0], "--user");
    if (parts.size() > 1) process.gid = number_of(parts[1], "--user");
  }
  for (const auto& gid : args.values("additional-gids")) process.additional_gids.push_back(number_of(gid, "--additional-gids"));
  for (const auto& entry : args.values("env")) process.env.push_back(entry);
  if (args.has("no-new-privs")) process.no_new_privileges = true;
  if (auto profile = args.value("apparmor")) process.apparmor_profile = *profile;
  if (auto label = args.value("process-label")) process.selinux_label = *label;
  for (const auto& cap : args.values("cap")) {
    if (!process.capabilities) process.capabilities = oci::Capabilities{};
    for (auto* set : {&process.capabilities->bounding, &process.capabilities->effective, &process.capabilities->permitted}) set->push_back(cap);
  }
  return process;
}

bool same_namespace(pid_t pid, const std::string& file) {
  return find_link(cat("/proc/", pid, "/ns/", file)) == find_link(cat("/proc/self/ns/", file));
}

// Joins all namespaces of `pid` that differ from ours; user first, so that the others are allowed.
bool join_all(pid_t pid, std::vector<std::pair<UniqueFd, int>>& spaces) {
  bool user = false;
  for (const char* type : {"user", "cgroup", "ipc", "uts", "network", "pid", "mount", "time"}) {
    std::string file = host::namespace_file(type);
    std::string path = cat("/proc/", pid, "/ns/", file);
    if (same_namespace(pid, file) || !path_exists(path)) continue;
    spaces.emplace_back(open_fd(path, O_RDONLY), *host::find_namespace_flag(type));
    user |= std::string_view(type) == "user";
  }
  return user;
}

struct Exec {
  oci::Process process;
  std::string seccomp, personality;
  unsigned seccomp_flags = 0;
  int preserve_fds = 0, console_socket = -1;
  bool in_user_namespace = false;
  sigset_t mask{};
};

[[noreturn]] void exec_child(const Exec& exec, int socket) {
  try {
    if (::setsid() < 0 && errno != EPERM) throw_errno("make", "a new session");
    if (exec.in_user_namespace && ::setresgid(0, 0, 0) == 0) (void)!::setresuid(0, 0, 0);
    if (exec.process.terminal) {
      UniqueFd master = open_container_terminal(exec.process);
      if (exec.console_socket >= 0) send_descriptor(exec.console_socket, "/dev/ptmx", master.get());
      else send_signal(socket, Signal::console, {}, master.get());
    }
    if (::chdir(exec.process.cwd.c_str()) != 0) throw_errno("enter the working directory", exec.process.cwd);
    Comfort plain;
    ProgramStart start;
    start.process = &exec.process;
    start.comfort = &plain;
    start.executable = find_executable(exec.process);
    start.environment = complete_environment(exec.process, true);
    start.personality = exec.personality;
    start.seccomp = exec.seccomp;
    start.seccomp_flags = exec.seccomp_flags;
    start.in_user_namespace = exec.in_user_namespace;
    start.preserve_fds = exec.preserve_fds;
    start.mask = exec.mask;
    prepare_process(start);
    start_process(start);
  } catch (const Error& error) {
    try {
      send_signal(socket, Signal::failed, cat(static_cast<char>(error.exit_code()), error.what()));
    } catch (const Error&) {
    }
    ::_exit(255);
  }
}

// A helper joins; its child, made with CLONE_PARENT, is in the pid namespace too and belongs to us.
pid_t spawn_in(const State& state, const Exec& exec, SocketPair& sockets) {
  std::vector<std::pair<UniqueFd, int>> spaces;
  join_all(state.pid, spaces);
  SocketPair number;
  pid_t helper = ::fork();
  if (helper < 0) throw_errno("start", "a process");
  if (helper == 0) {
    try {
      for (auto& [fd, flag] : spaces)
        if (::setns(fd.get(), flag) != 0) throw_errno("join a namespace of container", state.id);
      long child = ::syscall(SYS_clone, static_cast<unsigned long>(CLONE_PARENT | SIGCHLD), nullptr, nullptr, nullptr, nullptr);
      if (child < 0) throw_errno("start", "a process");
      if (child == 0) exec_child(exec, sockets.child.get());
      send_signal(number.child.get(), Signal::created, std::to_string(child));
    } catch (const Error& error) {
      send_signal(number.child.get(), Signal::failed, error.what());
    }
    ::_exit(0);
  }
  number.child.reset();
  while (::waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {
  }
  Message message = receive_signal(number.parent.get());
  sockets.child.reset();
  if (message.closed || message.kind != Signal::created) throw Error(message.closed ? "the container cannot be entered" : message.text);
  return static_cast<pid_t>(parse_number(message.text).value_or(0));
}

UniqueFd connect_to(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw_errno("connect to the console socket", path);
  return socket;
}

int run_exec(const Global& global, const cli::Arguments& args) {
  StateStore store(global.root);
  State state = store.load(args.word(0, "a container ID"));
  std::string status = store.status(state);
  if (status == "stopped") throw Error(cat("cannot exec in container ", state.id, ": it is stopped"));
  if (status == "paused" && !args.has("ignore-paused")) throw Error(cat("cannot exec in container ", state.id, ": it is paused"));
  Exec exec;
  exec.process = process_of(state, args);
  exec.in_user_namespace = !same_namespace(state.pid, "user");
  exec.preserve_fds = static_cast<int>(number_of(args.value_or("preserve-fds", "0"), "--preserve-fds"));
  oci::Config config = oci::parse_config(json::to_compact(state.config), "config.json");
  exec.personality = config.personality;
  if (config.seccomp) {
    exec.seccomp = host::compile_seccomp(*config.seccomp);
    exec.seccomp_flags = host::seccomp_flags(*config.seccomp);
  }
  UniqueFd console;
  if (auto path = args.value("console-socket")) {
    console = connect_to(*path);
    exec.console_socket = console.get();
  }
  SocketPair sockets;
  exec.mask = block_signals(false);
  pid_t pid = spawn_in(state, exec, sockets);
  if (!state.cgroup.empty()) host::join_cgroup(state.cgroup, pid);
  UniqueFd terminal;
  for (;;) {
    Message message = receive_signal(sockets.parent.get());
    if (message.closed) break;
    if (message.kind == Signal::console) {
      terminal = std::move(message.fd);
      continue;
    }
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    throw Error(message.text.size() > 1 ? message.text.substr(1) : "exec failed");
  }
  if (auto path = args.value("pid-file")) make_file(*path, std::to_string(pid), 0644);
  if (args.has("detach")) return 0;
  Supervision supervision;
  supervision.child = pid;
  supervision.terminal = terminal.get();
  return supervise(supervision);
}

}  // namespace

const Command command_exec{"exec", "exec [options] ID PROGRAM [arguments]", "start one more program in a container", kOptions, run_exec, 255};

}  // namespace udocker::launcher
