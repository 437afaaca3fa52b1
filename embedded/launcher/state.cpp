#include "embedded/launcher/state.hpp"

#include "host/cgroup.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::launcher {

std::string StateStore::default_root() {
  // The root of a user namespace (Podman's) has no right to the host's /run.
  if (::geteuid() == 0 && ::access("/run", W_OK) == 0) return "/run/udocker-runc";
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime && *runtime && ::access(runtime, W_OK) == 0) return cat(runtime, "/udocker-runc");
  return cat("/tmp/udocker-runc-", ::geteuid());
}

void check_id(const std::string& id) {
  bool good = !id.empty() && id != "." && id != ".." && id.size() <= 1024;
  for (char c : id) good &= (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || std::string_view("_+-.").find(c) != std::string_view::npos;
  if (!good) throw Error(cat("invalid container ID ", printable(id), ": letters, digits and _ + - . only"));
}

std::string StateStore::directory(const std::string& id) const {
  check_id(id);
  return cat(root_, "/", id);
}

void StateStore::create(const std::string& id) const {
  std::string dir = directory(id);
  make_directories(root_, 0700);
  if (::mkdir(dir.c_str(), 0700) == 0) return;
  if (errno == EEXIST) throw Error(cat("container with id ", id, " exists already"));
  throw_errno("make", dir);
}

void StateStore::save(const State& state) const {
  json::Value out = json::Object{{"id", state.id},
                                 {"bundle", state.bundle},
                                 {"rootfs", state.rootfs},
                                 {"created", state.created},
                                 {"owner", state.owner},
                                 {"cgroup", state.cgroup},
                                 {"pid", static_cast<int>(state.pid)},
                                 {"start_time", static_cast<std::int64_t>(state.start_time)},
                                 {"config", state.config}};
  std::string path = directory(state.id) + "/state.json", temporary = path + ".new";
  {
    UniqueFd file = open_fd(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    write_all(file.get(), json::to_compact(out), temporary);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw_errno("write", path);
}

State StateStore::load(const std::string& id) const {
  std::string path = directory(id) + "/state.json";
  auto text = find_file(path);
  if (!text) throw Error(cat("container ", id, " does not exist"));
  json::Value value = json::parse(*text, path);
  State state;
  state.id = value["id"].as_string();
  state.bundle = value["bundle"].as_string();
  state.rootfs = value["rootfs"].as_string();
  state.created = value["created"].as_string();
  state.owner = value["owner"].as_string();
  state.cgroup = value["cgroup"].as_string();
  state.pid = static_cast<pid_t>(value["pid"].as_integer());
  state.start_time = static_cast<std::uint64_t>(value["start_time"].as_integer());
  state.config = value["config"];
  return state;
}

std::vector<State> StateStore::all() const {
  std::vector<State> out;
  for (const auto& name : list_directory(root_)) {
    try {
      out.push_back(load(name));
    } catch (const Error&) {
      // being created or removed at this moment, or not ours
    }
  }
  return out;
}

void StateStore::remove(const std::string& id) const { remove_tree(directory(id)); }

std::string StateStore::status(const State& state) const {
  auto start = state.pid > 0 ? process_start_time(state.pid) : std::nullopt;
  if (!start || *start != state.start_time) return "stopped";
  if (path_exists(fifo(state.id))) return "created";
  return host::is_frozen(state.cgroup) ? "paused" : "running";
}

std::optional<std::uint64_t> process_start_time(pid_t pid) {
  auto text = find_file(cat("/proc/", pid, "/stat"));
  if (!text) return std::nullopt;
  auto close = text->rfind(')');
  if (close == std::string::npos) return std::nullopt;
  auto words = split_words(std::string_view(*text).substr(close + 1));
  if (words.size() < 20 || words[0] == "Z" || words[0] == "X") return std::nullopt;
  return parse_number(words[19]);
}

std::string now_rfc3339() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char date[40], text[64];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text, sizeof text, "%s.%09ldZ", date, now.tv_nsec);
  return text;
}

}  // namespace udocker::launcher
