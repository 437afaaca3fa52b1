// run, create, start: from a bundle to a running program.
#include "embedded/launcher/commands.hpp"
#include "embedded/launcher/container.hpp"
#include "embedded/launcher/state.hpp"
#include "embedded/launcher/supervise.hpp"
#include "embedded/launcher/terminal.hpp"
#include "host/cgroup.hpp"
#include "host/self.hpp"
#include "host/work_directory.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::launcher {
namespace {

constexpr cli::Option kCreateOptions[] = {
    {"-b --bundle", "DIR", "folder with config.json; default: the current one"},
    {"--console-socket", "PATH", "socket that gets the master side of the container's terminal"},
    {"--pid-file", "PATH", "write the process id of the container's first process here"},
    {"--preserve-fds", "N", "pass N more descriptors than 0, 1 and 2"},
    {"--no-pivot", "", "accepted for compatibility"},
    {"--no-new-keyring", "", "accepted for compatibility"},
};
constexpr cli::Option kRunOptions[] = {
    {"-b --bundle", "DIR", "folder with config.json; default: the current one"},
    {"--console-socket", "PATH", "socket that gets the master side of the container's terminal"},
    {"--pid-file", "PATH", "write the process id of the container's first process here"},
    {"--preserve-fds", "N", "pass N more descriptors than 0, 1 and 2"},
    {"-d --detach", "", "return when the program has started"},
    {"--keep", "", "do not delete the container when it has ended"},
    {"--no-subreaper", "", "accepted for compatibility"},
    {"--no-pivot", "", "accepted for compatibility"},
    {"--no-new-keyring", "", "accepted for compatibility"},
    {"--config", "FILE", "configuration instead of the bundle's config.json; - for standard input, fd:N for a descriptor"},
    {"--direct", "", "pass terminal and descriptors through, reap children, use what the host allows, keep no state"},
    {"--work-dir", "DIR", "with --direct: folder on the file system of the root where work folders may be made"},
    {"--executable", "PATH", "program to start, when args[0] is only its name"},
    {"--self", "", "the program is this file itself, under the name args[0]"},
};

// Relative bind sources are relative to the bundle; the root too.
void make_absolute(oci::Config& config, const std::string& bundle) {
  auto under = [&](const std::string& path) { return path.starts_with('/') ? path : cat(bundle, "/", path); };
  config.root_path = real_path(under(config.root_path));
  for (auto& mount : config.mounts) {
    auto options = host::parse_mount_options(mount.options);
    if (options.bind || mount.type == "bind" || mount.type == "rbind") mount.source = under(mount.source);
  }
}

UniqueFd connect_console(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Error(cat("--console-socket: ", path, " is too long for a socket"));
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw_errno("connect to the console socket", path);
  return socket;
}

struct Request {
  Job job;
  std::string config_text, pid_file;
  UniqueFd console;
  bool detach = false, keep_state = true;
};

Request prepare(const cli::Arguments& args) {
  Request request;
  Job& job = request.job;
  bool direct = args.has("direct");
  job.id = direct && args.words().empty() ? "direct" : args.word(0, "a container ID");
  args.at_most(1);
  check_id(job.id);
  job.bundle = real_path(args.value_or("bundle", "."));
  request.config_text = read_config(args.value_or("config", cat(job.bundle, "/config.json")));
  job.config = oci::parse_config(request.config_text, "config.json");
  if (job.config.unsupported_rdt) throw NotSupported("config.json: linux.intelRdt is not supported");
  make_absolute(job.config, job.bundle);
  request.keep_state = !direct;
  if (direct) {
    job.comfort = {true, true, true, true, {}};
    job.config.process.terminal = false;
  }
  job.executable = args.value_or("executable", "");
  job.own_program = args.has("self");
  auto count = parse_number(args.value_or("preserve-fds", "0"));
  if (!count) throw UsageError("--preserve-fds: not a number");
  job.preserve_fds = static_cast<int>(*count);
  for (int fd = 3; fd < 3 + job.preserve_fds; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) throw Error(cat("--preserve-fds: descriptor ", fd, " is not open"));
  request.pid_file = args.value_or("pid-file", "");
  request.detach = args.has("detach");
  if (auto path = args.value("console-socket")) {
    if (!job.config.process.terminal) throw Error("--console-socket: process.terminal is not set in config.json");
    request.console = connect_console(*path);
    job.console_socket = request.console.get();
  } else if (job.config.process.terminal && request.detach) {
    throw Error("a detached container with a terminal needs --console-socket");
  }
  if (job.config.seccomp) {
    job.seccomp = host::compile_seccomp(*job.config.seccomp);
    job.seccomp_flags = host::seccomp_flags(*job.config.seccomp);
  }
  return request;
}

// Where overlays may have their work directories, when the plan needs any.
host::WorkDirectory make_work_directory(const std::string& parent, Job& job) {
  bool needed = std::ranges::any_of(job.plan.before, [](const Step& step) { return step.action == Action::layer; });
  if (!needed || parent.empty()) return {};
  host::WorkDirectory made(parent);
  job.comfort.work_dir = made.path();
  return made;
}

void write_pid_file(const std::string& path, pid_t pid) {
  if (!path.empty()) make_file(path, std::to_string(pid), 0644);
}

// What the child said before it went: the error of its set-up.
[[noreturn]] void fail_with(const Message& message, const Job& job) {
  if (message.closed || message.text.empty()) throw Error("the container's first process ended before the program was started");
  throw Error(message.text.substr(1), job.comfort.init ? static_cast<unsigned char>(message.text[0]) : 1);
}

class Runner {
 public:
  Runner(const Global& global, Request& request) : store_(global.root), request_(request), job_(request.job) {}

  int run(const std::string& work_parent);
  void create();

 private:
  void start_first_process();
  void converse();
  void clean_up() noexcept;

  StateStore store_;
  Request& request_;
  Job& job_;
  State state_;
  SocketPair sockets_;
  pid_t pid_ = 0;
  bool spawned_ = false;
  UniqueFd terminal_;
};

void Runner::start_first_process() {
  const oci::Config& config = job_.config;
  bool single = host::maps_only_self(job_.plan.uids, job_.plan.gids, ::geteuid(), ::getegid());
  if (request_.keep_state) {
    bool limits = !host::plan_resources(config.resources).empty();
    auto demand = ::geteuid() == 0 && !config.cgroups_path.empty() && limits ? host::Demand::required : host::Demand::silent;
    state_.cgroup = host::make_cgroup(config.cgroups_path, job_.id, demand);
    if (!state_.cgroup.empty()) host::apply_resources(state_.cgroup, config.resources, host::Demand::silent);
  }
  job_.child_waits = (job_.plan.new_user_namespace && !single) || !state_.cgroup.empty();
  const auto& hooks = config.hooks;
  job_.parent_waits = job_.wait_for_start || !hooks.prestart.empty() || !hooks.create_runtime.empty() ||
                      (config.process.terminal && job_.console_socket < 0);
  job_.mask = block_signals(job_.comfort.keep_terminal);
  auto trees = prepare_idmapped(job_);
  pid_ = spawn_container(job_, sockets_);
  spawned_ = true;
  sockets_.child.reset();
  if (!job_.child_waits) return;
  if (!state_.cgroup.empty() && !host::join_cgroup(state_.cgroup, pid_)) {
    host::remove_cgroup(state_.cgroup);
    state_.cgroup.clear();
  }
  if (job_.plan.new_user_namespace) host::write_child_maps(pid_, job_.plan.uids, job_.plan.gids);
  send_signal(sockets_.parent.get(), Signal::go);
}

// Answers the child until it needs nothing more from us.
void Runner::converse() {
  bool terminal_due = job_.config.process.terminal && job_.console_socket < 0;
  bool hooks_due = !job_.config.hooks.prestart.empty() || !job_.config.hooks.create_runtime.empty();
  while (hooks_due || terminal_due || job_.wait_for_start) {
    Message message = receive_signal(sockets_.parent.get());
    if (message.closed || message.kind == Signal::failed) fail_with(message, job_);
    if (message.kind == Signal::hooks) {
      std::string state = state_json(job_, pid_, "creating");
      run_hooks(job_.config.hooks.prestart, "prestart", state, job_.bundle);
      run_hooks(job_.config.hooks.create_runtime, "createRuntime", state, job_.bundle);
      send_signal(sockets_.parent.get(), Signal::hooks_done);
      hooks_due = false;
    } else if (message.kind == Signal::console) {
      terminal_ = std::move(message.fd);
      terminal_due = false;
    } else if (message.kind == Signal::created) {
      return;
    }
  }
}

// Removes all that is left of the container, then runs the hooks that want to know of its end.
void Runner::clean_up() noexcept {
  try {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    host::remove_cgroup(state_.cgroup);
    if (request_.keep_state) store_.remove(job_.id);
    if (spawned_) run_late_hooks(job_.config.hooks.poststop, "poststop", state_json(job_, 0, "stopped"), job_.bundle);
  } catch (const Error& error) {
    log::debug("launcher", error.what());
  }
}

void Runner::create() {
  if (request_.keep_state) store_.create(job_.id);
  try {
    if (job_.wait_for_start) {
      job_.start_fifo = store_.fifo(job_.id);
      if (::mkfifo(job_.start_fifo.c_str(), 0600) != 0) throw_errno("make", job_.start_fifo);
    }
    start_first_process();
    if (request_.keep_state) {
      state_.id = job_.id;
      state_.bundle = job_.bundle;
      state_.rootfs = job_.config.root_path;
      state_.created = now_rfc3339();
      state_.pid = pid_;
      state_.start_time = process_start_time(pid_).value_or(0);
      state_.config = json::parse(request_.config_text, "config.json");
      state_.owner = std::to_string(::geteuid());
      store_.save(state_);
    }
    converse();
    write_pid_file(request_.pid_file, pid_);
  } catch (const Error&) {
    Message last = sockets_.parent ? try_receive_signal(sockets_.parent.get()) : Message{};
    clean_up();
    if (!last.closed && last.kind == Signal::failed && last.text.size() > 1) fail_with(last, job_);
    throw;
  }
}

int Runner::run(const std::string& work_parent) {
  host::WorkDirectory work = make_work_directory(work_parent, job_);
  std::optional<TerminalSettings> settings;
  if (job_.comfort.keep_terminal) settings.emplace();
  create();
  const auto& hooks = job_.config.hooks;
  std::string id = job_.id;
  bool direct = job_.comfort.keep_terminal, init = job_.comfort.init;
  if (!hooks.poststart.empty() || request_.detach) {
    Message last = receive_signal(sockets_.parent.get());  // closed: the program has been executed
    if (!last.closed) {
      clean_up();
      fail_with(last, job_);
    }
    run_late_hooks(hooks.poststart, "poststart", state_json(job_, pid_, "running"), job_.bundle);
  } else if (hooks.poststop.empty()) {
    job_ = {};  // nothing of it is needed while the program runs
    job_.id = id;
    job_.comfort.init = init;
    request_.config_text.clear();
    state_.config = {};
  }
  if (request_.detach) return 0;
  Supervision supervision;
  supervision.child = pid_;
  supervision.forward_terminal_signals = !direct;
  supervision.terminal = terminal_.get();
  int status = supervise(supervision);
  pid_ = 0;
  Message last = try_receive_signal(sockets_.parent.get());
  clean_up();
  if (!last.closed && last.kind == Signal::failed) fail_with(last, job_);
  return status;
}

int run(const Global& global, const cli::Arguments& args) {
  Request request = prepare(args);
  request.job.plan = plan_container(request.job.config, request.job.comfort, look_at_host);
  Runner runner(global, request);
  return runner.run(args.value_or("work-dir", ""));
}

int create(const Global& global, const cli::Arguments& args) {
  Request request = prepare(args);
  request.job.wait_for_start = true;
  request.job.plan = plan_container(request.job.config, request.job.comfort, look_at_host);
  Runner(global, request).create();
  return 0;
}

int start(const Global& global, const cli::Arguments& args) {
  StateStore store(global.root);
  State state = store.load(args.word(0, "a container ID"));
  args.at_most(1);
  std::string status = store.status(state);
  if (status != "created") throw Error(cat("cannot start container ", state.id, ": it is ", status));
  std::string path = store.fifo(state.id);
  {
    UniqueFd fifo(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fifo) throw_errno("start", state.id);
    remove_file(path);
    write_all(fifo.get(), "s", path);
  }
  oci::Config config = oci::parse_config(json::to_compact(state.config), "config.json");
  Job job;
  job.id = state.id;
  job.bundle = state.bundle;
  job.config.version = config.version;
  job.config.annotations = config.annotations;
  run_late_hooks(config.hooks.poststart, "poststart", state_json(job, state.pid, "running"), job.bundle);
  return 0;
}

}  // namespace

const Command command_run{"run", "run [options] ID", "create and start a container, wait for its end", kRunOptions, run};
const Command command_create{"create", "create [options] ID", "create a container that waits for start", kCreateOptions, create};
const Command command_start{"start", "start ID", "start the program of a created container", {}, start};

}  // namespace udocker::launcher
