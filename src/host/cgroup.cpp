#include "host/cgroup.hpp"

#include "host/mounts.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::host {
namespace {

bool write_file(const std::string& path, const std::string& text) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string limit_text(const json::Value& value) {
  return value.as_integer() < 0 ? std::string("max") : std::to_string(value.as_integer());
}

// cgroup v1 shares (2 … 262144) as a v2 weight (1 … 10000), the conversion all runtimes use.
std::int64_t weight_of_shares(std::int64_t shares) {
  return 1 + ((std::clamp<std::int64_t>(shares, 2, 262144) - 2) * 9999) / 262142;
}

}  // namespace

std::optional<std::string> find_cgroup2_mount() {
  for (const auto& entry : parse_mountinfo(find_file("/proc/self/mountinfo").value_or(""))) {
    if (entry.type != "cgroup2") continue;
    UniqueFd seen(::open(entry.target.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (seen && is_mount_type(seen.get(), CGROUP2_SUPER_MAGIC)) return entry.target;  // not covered by another mount
  }
  return std::nullopt;
}

std::string own_cgroup(std::string_view text) {
  for (const auto& line : split(text, '\n'))
    if (line.starts_with("0::")) return line.substr(3);
  return "/";
}

std::string make_cgroup(const std::string& wanted, const std::string& id, Demand demand) {
  auto refuse = [&](std::string_view why) -> std::string {
    if (demand == Demand::required)
      throw NotSupported(cat("the container's control group cannot be made: ", why), "run without linux.resources and linux.cgroupsPath, or ask for a delegated group");
    return {};
  };
  auto top = find_cgroup2_mount();
  if (!top) return refuse("there is no cgroup version 2 hierarchy here");
  std::string own = own_cgroup(find_file("/proc/self/cgroup").value_or(""));
  std::string path;
  if (wanted.find(':') != std::string::npos) {  // the systemd form slice:prefix:name
    auto parts = split(wanted, ':');
    path = cat(own == "/" ? "" : own, "/", parts.size() == 3 ? cat(parts[1], "-", parts[2], ".scope") : id);
  } else if (wanted.starts_with('/')) {
    path = wanted;
  } else {
    path = cat(own == "/" ? "" : own, "/", wanted.empty() ? id : wanted);
  }
  std::string directory = cat(*top, path);
  std::string made = *top;
  for (const auto& part : split(path, '/')) {
    if (part.empty() || part == "." || part == "..") continue;
    made += cat("/", part);
    if (::mkdir(made.c_str(), 0755) != 0 && errno != EEXIST) {
      int saved = errno;
      return refuse(cat(made, ": error ", saved, saved == EACCES || saved == EPERM ? " (not delegated to this user)" : ""));
    }
  }
  return directory;
}

bool join_cgroup(const std::string& directory, pid_t pid) { return write_file(directory + "/cgroup.procs", std::to_string(pid)); }

std::vector<CgroupSetting> plan_resources(const json::Value& resources) {
  std::vector<CgroupSetting> out;
  auto put = [&](const char* file, std::string text) { out.push_back({file, std::move(text)}); };
  const auto& memory = resources["memory"];
  if (memory["limit"].is_integer()) put("memory.max", limit_text(memory["limit"]));
  if (memory["reservation"].is_integer()) put("memory.low", limit_text(memory["reservation"]));
  if (memory["swap"].is_integer()) {
    std::int64_t swap = memory["swap"].as_integer(), limit = memory["limit"].as_integer();
    put("memory.swap.max", swap < 0 ? "max" : std::to_string(std::max<std::int64_t>(0, swap - std::max<std::int64_t>(0, limit))));
  }
  const auto& cpu = resources["cpu"];
  if (cpu["shares"].as_integer() > 0) put("cpu.weight", std::to_string(weight_of_shares(cpu["shares"].as_integer())));
  if (cpu["quota"].is_integer() || cpu["period"].is_integer()) {
    std::int64_t quota = cpu["quota"].as_integer(-1), period = cpu["period"].as_integer(100000);
    put("cpu.max", cat(quota > 0 ? std::to_string(quota) : "max", " ", period > 0 ? period : 100000));
  }
  if (cpu["idle"].is_integer()) put("cpu.idle", std::to_string(cpu["idle"].as_integer()));
  if (!cpu["cpus"].as_string().empty()) put("cpuset.cpus", cpu["cpus"].as_string());
  if (!cpu["mems"].as_string().empty()) put("cpuset.mems", cpu["mems"].as_string());
  if (resources["pids"]["limit"].is_integer()) {
    std::int64_t limit = resources["pids"]["limit"].as_integer();
    put("pids.max", limit <= 0 ? "max" : std::to_string(limit));
  }
  if (std::int64_t weight = resources["blockIO"]["weight"].as_integer(); weight > 0)
    put("io.weight", std::to_string(1 + (weight - 10) * 9999 / 990));
  for (const auto& [name, text] : resources["unified"].as_object()) put(name.c_str(), text.as_string());
  return out;
}

void apply_resources(const std::string& directory, const json::Value& resources, Demand demand) {
  auto settings = plan_resources(resources);
  if (settings.empty()) return;
  std::string parent = path_dirname(directory);
  for (const char* controller : {"memory", "cpu", "cpuset", "pids", "io"}) write_file(parent + "/cgroup.subtree_control", cat("+", controller));
  for (const auto& setting : settings) {
    if (setting.file.find('/') != std::string::npos) throw Error(cat("linux.resources.unified: ", printable(setting.file), " is not a file name"));
    if (write_file(cat(directory, "/", setting.file), setting.text)) continue;
    int saved = errno;
    if (demand == Demand::required) throw SystemError(cat("set ", setting.file, " to"), setting.text, saved);
    log::debug("launcher", cat("limit not applied: ", setting.file, " ", setting.text));
  }
}

bool is_frozen(const std::string& directory) {
  if (directory.empty()) return false;
  auto text = find_file(directory + "/cgroup.events");
  return text && text->find("frozen 1") != std::string::npos;
}

bool set_frozen(const std::string& directory, bool frozen) {
  if (directory.empty() || !write_file(directory + "/cgroup.freeze", frozen ? "1" : "0")) return false;
  for (int i = 0; i < 1000 && is_frozen(directory) != frozen; ++i) ::poll(nullptr, 0, 2);
  return is_frozen(directory) == frozen;
}

std::vector<pid_t> cgroup_processes(const std::string& directory) {
  std::vector<pid_t> out;
  for (const auto& word : split_words(find_file(directory + "/cgroup.procs").value_or("")))
    if (auto number = parse_number(word)) out.push_back(static_cast<pid_t>(*number));
  return out;
}

bool kill_cgroup(const std::string& directory, int signal) {
  if (directory.empty()) return false;
  if (signal == SIGKILL && write_file(directory + "/cgroup.kill", "1")) return true;
  auto all = cgroup_processes(directory);
  for (pid_t pid : all) ::kill(pid, signal);
  return !all.empty();
}

void remove_cgroup(const std::string& directory) {
  if (directory.empty()) return;
  for (int i = 0; i < 100; ++i) {
    if (::rmdir(directory.c_str()) == 0 || errno != EBUSY) return;
    ::poll(nullptr, 0, 5);  // members that were killed are still on their way out
  }
}

}  // namespace udocker::host
