// What is kept about a container between two calls of the launcher: ROOT/ID/state.json and the start fifo.
#pragma once
#include "util/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace udocker::launcher {

struct State {
  std::string id, bundle, rootfs, created, cgroup, owner;
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // of the process, in clock ticks since boot: a reused pid is recognised
  json::Value config;            // config.json as it was
};

class StateStore {
 public:
  explicit StateStore(std::string root) : root_(std::move(root)) {}
  // Where containers are kept without --root.
  static std::string default_root();

  std::string directory(const std::string& id) const;
  std::string fifo(const std::string& id) const { return directory(id) + "/start.fifo"; }
  // Makes the directory; throws Error when a container of this name exists.
  void create(const std::string& id) const;
  void save(const State& state) const;
  State load(const std::string& id) const;  // throws Error "container ID does not exist"
  std::vector<State> all() const;           // sorted by id; broken ones left out
  void remove(const std::string& id) const;
  // "created" "running" "paused" "stopped"
  std::string status(const State& state) const;

 private:
  std::string root_;
};

// Throws Error when the name is not usable as a container id.
void check_id(const std::string& id);
// Start time of a process; nothing when there is none.
std::optional<std::uint64_t> process_start_time(pid_t pid);
std::string now_rfc3339();

}  // namespace udocker::launcher
