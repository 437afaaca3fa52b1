// state, kill, delete, list, pause, resume, ps, spec: what needs no new process in the container.
#include "embedded/launcher/commands.hpp"
#include "embedded/launcher/container.hpp"
#include "embedded/launcher/state.hpp"
#include "host/cgroup.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <pwd.h>
#include <unistd.h>

namespace udocker::launcher {
namespace {

constexpr cli::Option kKillOptions[] = {{"-a --all", "", "send it to all processes of the container"}};
constexpr cli::Option kDeleteOptions[] = {{"-f --force", "", "kill it first; a missing container is no error"}};
constexpr cli::Option kListOptions[] = {{"-f --format", "table|json", "form of the list"}, {"-q --quiet", "", "ids only"}};
constexpr cli::Option kPsOptions[] = {{"-f --format", "table|json", "form of the list"}};
constexpr cli::Option kSpecOptions[] = {{"-b --bundle", "DIR", "where to write config.json"}, {"--rootless", "", "for an ordinary user"}};

struct SignalName {
  const char* name;
  int number;
};
constexpr SignalName kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ILL", SIGILL},       {"TRAP", SIGTRAP},     {"ABRT", SIGABRT}, {"IOT", SIGABRT},
    {"BUS", SIGBUS},   {"FPE", SIGFPE},   {"KILL", SIGKILL}, {"USR1", SIGUSR1},     {"SEGV", SIGSEGV},     {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},
    {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CHLD", SIGCHLD}, {"CONT", SIGCONT},     {"STOP", SIGSTOP},     {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU}, {"URG", SIGURG},   {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},     {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"POLL", SIGIO},   {"PWR", SIGPWR},   {"SYS", SIGSYS}};

int parse_signal(const std::string& text) {
  if (auto number = parse_number(text); number && *number < 65) return static_cast<int>(*number);
  std::string name = to_lower(text);
  if (name.starts_with("sig")) name.erase(0, 3);
  for (const auto& row : kSignals)
    if (name == to_lower(row.name)) return row.number;
  if (name.starts_with("rtmin+"))
    if (auto offset = parse_number(name.substr(6))) return SIGRTMIN + static_cast<int>(*offset);
  throw UsageError(cat("unknown signal ", printable(text)));
}

State load(const StateStore& store, const cli::Arguments& args) {
  return store.load(args.word(0, "a container ID"));
}

json::Value summary(const StateStore& store, const State& state, const std::string& owner) {
  std::string status = store.status(state);
  json::Value out;
  auto put = [&](const char* key, const std::string& text) { out.at(key) = json::Value(text); };
  put("ociVersion", state.config["ociVersion"].as_string());
  put("id", state.id);
  put("status", status);
  put("bundle", state.bundle);
  put("rootfs", state.rootfs);
  put("created", state.created);
  put("owner", owner);
  out.at("pid") = json::Value(status == "stopped" ? 0 : static_cast<int>(state.pid));
  return out;
}

int show_state(const Global& global, const cli::Arguments& args) {
  StateStore store(global.root);
  args.at_most(1);
  State state = load(store, args);
  json::Value out = summary(store, state, "");
  if (state.config["annotations"].is_object()) out.at("annotations") = state.config["annotations"];
  log::output(json::to_pretty(out));
  return 0;
}

// Processes of the container: its control group, else those in its pid namespace.
std::vector<pid_t> processes_of(const State& state) {
  if (!state.cgroup.empty()) return host::cgroup_processes(state.cgroup);
  auto wanted = find_link(cat("/proc/", state.pid, "/ns/pid"));
  std::vector<pid_t> out;
  if (!wanted || wanted == find_link("/proc/self/ns/pid")) return {state.pid};
  for (const auto& name : list_directory("/proc"))
    if (auto pid = parse_number(name); pid && find_link(cat("/proc/", name, "/ns/pid")) == wanted) out.push_back(static_cast<pid_t>(*pid));
  return out;
}

int kill_container(const Global& global, const cli::Arguments& args) {
  StateStore store(global.root);
  State state = load(store, args);
  args.at_most(2);
  int signal = parse_signal(args.words().size() > 1 ? args.words()[1] : "SIGTERM");
  if (args.has("all")) {
    for (pid_t pid : processes_of(state)) ::kill(pid, signal);
    return 0;
  }
  std::string status = store.status(state);
  if (status == "stopped") throw Error(cat("cannot kill container ", state.id, ": container not running"));
  if (::kill(state.pid, signal) != 0) throw_errno("send the signal to", state.id);
  if (status == "paused" && signal == SIGKILL) host::set_frozen(state.cgroup, false);
  return 0;
}

int delete_container(const Global& global, const cli::Arguments& args) {
  StateStore store(global.root);
  const std::string& id = args.word(0, "a container ID");
  args.at_most(1);
  bool force = args.has("force");
  if (force && !path_exists(store.directory(id) + "/state.json")) {
    store.remove(id);
    return 0;
  }
  State state = store.load(id);
  std::string status = store.status(state);
  if (status != "stopped") {
    if (!force && status != "created") throw Error(cat("cannot delete container ", id, " that is not stopped: ", status));
    if (status == "paused") host::set_frozen(state.cgroup, false);
    auto all = processes_of(state);
    ::kill(state.pid, SIGKILL);
    for (pid_t pid : all) ::kill(pid, SIGKILL);
    for (int i = 0; i < 1000 && store.status(state) != "stopped"; ++i) ::poll(nullptr, 0, 5);
  }
  host::kill_cgroup(state.cgroup, SIGKILL);
  host::remove_cgroup(state.cgroup);
  store.remove(id);
  oci::Config config = oci::parse_config(json::to_compact(state.config), "config.json");
  Job job;
  job.id = state.id;
  job.bundle = state.bundle;
  job.config.version = config.version;
  job.config.annotations = config.annotations;
  run_late_hooks(config.hooks.poststop, "poststop", state_json(job, 0, "stopped"), path_exists(job.bundle) ? job.bundle : "/");
  return 0;
}

std::string owner_name(const State& state) {
  auto number = parse_number(state.owner);
  passwd* entry = number ? ::getpwuid(static_cast<uid_t>(*number)) : nullptr;
  return entry ? entry->pw_name : cat("#", state.owner);
}

std::string check_format(const cli::Arguments& args) {
  std::string format = args.value_or("format", "table");
  if (format != "table" && format != "json") throw UsageError(cat("invalid format option ", printable(format), ": table or json"));
  return format;
}

int list_containers(const Global& global, const cli::Arguments& args) {
  StateStore store(global.root);
  args.at_most(0);
  std::string format = check_format(args);
  auto all = store.all();
  if (args.has("quiet")) {
    for (const auto& state : all) log::output(state.id);
    return 0;
  }
  if (format == "json") {
    json::Array out;
    for (const auto& state : all) out.push_back(summary(store, state, owner_name(state)));
    log::output(all.empty() ? "null" : json::to_compact(json::Value(std::move(out))));
    return 0;
  }
  int width = 11;
  for (const auto& state : all) width = std::max(width, static_cast<int>(state.id.size()));
  log::output(cat(pad("ID", -width), " PID         STATUS      BUNDLE                        CREATED                          OWNER"));
  for (const auto& state : all) {
    std::string status = store.status(state);
    log::output(cat(pad(state.id, -width), " ", pad(std::to_string(status == "stopped" ? 0 : state.pid), -11), " ", pad(status, -11), " ",
                    pad(state.bundle, -29), " ", pad(state.created, -32), " ", owner_name(state)));
  }
  return 0;
}

int freeze(const Global& global, const cli::Arguments& args, bool on) {
  StateStore store(global.root);
  State state = load(store, args);
  args.at_most(1);
  std::string status = store.status(state);
  if (status != (on ? "running" : "paused")) throw Error(cat("cannot ", on ? "pause" : "resume", " container ", state.id, ": it is ", status));
  if (state.cgroup.empty())
    throw NotSupported(cat("cannot pause container ", state.id, ": it has no control group of its own"),
                       "ask for a delegated cgroup version 2 group, or send SIGSTOP with kill --all");
  if (!host::set_frozen(state.cgroup, on)) throw_errno(on ? "freeze" : "thaw", state.cgroup);
  return 0;
}

int pause_container(const Global& global, const cli::Arguments& args) { return freeze(global, args, true); }
int resume_container(const Global& global, const cli::Arguments& args) { return freeze(global, args, false); }

int list_processes(const Global& global, const cli::Arguments& args) {
  StateStore store(global.root);
  State state = load(store, args);
  std::string format = check_format(args);
  if (store.status(state) == "stopped") throw Error(cat("container ", state.id, " is not running"));
  auto all = processes_of(state);
  if (format == "json") {
    json::Array out;
    for (pid_t pid : all) out.emplace_back(static_cast<int>(pid));
    log::output(json::to_compact(json::Value(std::move(out))));
    return 0;
  }
  std::vector<std::string> words(args.words().begin() + 1, args.words().end());
  if (words.empty()) words = {"-ef"};
  words.insert(words.begin(), "ps");
  auto lines = split(run_captured(words).output, '\n');
  auto head = split_words(lines[0]);
  std::size_t column = 0;
  while (column < head.size() && head[column] != "PID") ++column;
  if (column == head.size()) throw Error("ps printed no PID column");
  log::output(lines[0]);
  for (const auto& line : lines) {
    auto fields = split_words(line);
    auto pid = column < fields.size() ? parse_number(fields[column]) : std::nullopt;
    if (pid && std::find(all.begin(), all.end(), static_cast<pid_t>(*pid)) != all.end()) log::output(line);
  }
  return 0;
}

int write_spec(const Global&, const cli::Arguments& args) {
  args.at_most(0);
  std::string path = cat(args.value_or("bundle", "."), "/config.json");
  if (path_exists(path)) throw Error(cat("file ", path, " exists. Remove it first"));
  std::optional<oci::RootlessIds> rootless;
  if (args.has("rootless")) rootless = oci::RootlessIds{::geteuid(), ::getegid()};
  make_file(path, json::to_pretty(oci::make_template(rootless)) + "\n", 0666);
  return 0;
}

}  // namespace

const Command command_state{"state", "state ID", "show the state of a container as JSON", {}, show_state};
const Command command_kill{"kill", "kill [--all] ID [SIGNAL]", "send a signal (default SIGTERM) to a container", kKillOptions, kill_container};
const Command command_delete{"delete", "delete [--force] ID", "remove what is kept about a container", kDeleteOptions, delete_container};
const Command command_list{"list", "list [options]", "list containers", kListOptions, list_containers};
const Command command_pause{"pause", "pause ID", "freeze all processes of a container", {}, pause_container};
const Command command_resume{"resume", "resume ID", "let them go on", {}, resume_container};
const Command command_ps{"ps", "ps [--format json] ID [ps options]", "list the processes of a container", kPsOptions, list_processes};
const Command command_spec{"spec", "spec [--rootless] [--bundle DIR]", "write a config.json to start from", kSpecOptions, write_spec};

}  // namespace udocker::launcher
