#include "embedded/launcher/plan.hpp"

#include "host/namespaces.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <map>

#include <sched.h>
#include <linux/mount.h>
#include <unistd.h>

namespace udocker::launcher {
namespace {

constexpr const char* kActionNames[] = {"propagate", "bind root", "layer",   "create",  "mount",         "bind", "proc",
                                        "sysfs",     "cgroup",    "device",  "symlink", "console",       "root read-only",
                                        "mask",      "read-only", "write"};

bool is_kernel_type(const std::string& type) {
  for (const char* name : {"proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "securityfs", "debugfs", "tracefs"})
    if (type == name) return true;
  return false;
}

// Plans the mounts, keeping a view of what the guest will see and collecting the layers that mount points need.
class MountPlanner {
 public:
  MountPlanner(const oci::Config& config, const Comfort& comfort, const Look& look)
      : config_(config), comfort_(comfort), look_(look), view_(config.root_path, look), read_only_(1, config.root_read_only), groups_(1) {}

  void add_mount(const oci::Mount& mount);
  void add_devices();
  void add_console();
  std::vector<Step> finish();

 private:
  struct Layer {
    std::string base, base_host;
    std::vector<Placeholder> placeholders;
    bool read_only = false;
  };

  void prepare(const Place& place, Kind wanted, const std::string& link = {});
  void add_links();
  void push(Step step) { groups_.back().push_back(std::move(step)); }
  Kind kind_of_source(const std::string& source) const;
  bool own_dev() const;

  const oci::Config& config_;
  const Comfort& comfort_;
  const Look& look_;
  View view_;
  std::vector<bool> read_only_;              // by mount number
  std::vector<std::vector<Step>> groups_;    // steps in order; group n starts with what made mount number n
  std::vector<std::map<std::string, Layer>> layers_{1};  // by mount number, then base
  std::map<std::string, std::pair<std::size_t, std::string>> layered_;  // placeholder directory -> its layer
};

// Sees to it that the mount point exists: in a layer when its directory belongs to the host, else by creating it.
void MountPlanner::prepare(const Place& place, Kind wanted, const std::string& link) {
  if (place.kind != Kind::missing || place.dangling) return;
  if (place.behind == Behind::kernel)
    throw Error(cat("mount ", place.path, ": it does not exist and cannot be created there"));
  std::string base = place.base, base_host = place.base_host, rest = join(place.missing, "/");
  std::size_t owner = place.owner;
  Placeholder placeholder{rest, wanted, link};
  if (place.behind == Behind::scratch) {
    Step step{Action::create};
    step.target = base;
    step.placeholders.push_back(placeholder);
    push(std::move(step));
  } else {
    if (auto found = layered_.find(base); found != layered_.end()) {
      auto [number, layer_base] = found->second;
      placeholder.path = cat(base.substr(layer_base == "/" ? 1 : layer_base.size() + 1), "/", rest);
      owner = number;
      base = layer_base;
    }
    Layer& layer = layers_[owner][base];
    if (layer.base.empty()) layer = {base, base_host, {}, read_only_[owner]};
    layer.placeholders.push_back(placeholder);
  }
  std::string path = place.base == "/" ? "" : place.base;
  for (std::size_t i = 0; i < place.missing.size(); ++i) {
    path += cat("/", place.missing[i]);
    bool last = i + 1 == place.missing.size();
    view_.add_entry(path, last ? wanted : Kind::directory, last ? link : std::string());
    if (place.behind == Behind::host) layered_[path] = {owner, base};
  }
}

Kind MountPlanner::kind_of_source(const std::string& source) const {
  Entry entry = look_(source);
  for (int links = 0; entry.kind == Kind::link && links < 2; ++links) entry = look_(source + "/.");
  if (entry.kind == Kind::link) return Kind::file;
  if (entry.kind == Kind::missing) {
    // Either a link to a file, or nothing at all.
    return look_(source).kind == Kind::link && ::access(source.c_str(), F_OK) == 0 ? Kind::file : Kind::missing;
  }
  return entry.kind;
}

void MountPlanner::add_mount(const oci::Mount& mount) {
  Step step;
  step.options = host::parse_mount_options(mount.options);
  step.type = mount.type;
  step.source = mount.source;
  bool bind = step.options.bind || mount.type == "bind" || mount.type == "rbind";
  if (mount.type == "rbind") step.options.recursive = true;
  Kind wanted = Kind::directory;
  if (bind) {
    wanted = kind_of_source(mount.source);
    if (wanted == Kind::missing) throw Error(cat("mount ", mount.destination, ": there is no ", mount.source, " on the host"));
  }
  Place place = view_.resolve(mount.destination, wanted == Kind::file);
  if (place.kind != Kind::missing && place.kind != wanted && place.behind != Behind::kernel)
    throw Error(wanted == Kind::file ? cat("mount ", mount.destination, ": ", mount.source, " is a file, but the target is a directory")
                                     : cat("mount ", mount.destination, ": ", bind ? mount.source : mount.type,
                                           " is a directory, but the target is a file"));
  prepare(place, wanted);
  step.target = place.path;
  step.dangling = place.dangling;
  step.uid_mappings = mount.uid_mappings;
  step.gid_mappings = mount.gid_mappings;
  Behind behind = Behind::host;
  if (bind) step.action = Action::bind;
  else if (mount.type == "proc") step.action = Action::proc, step.lenient = comfort_.lenient;
  else if (mount.type == "sysfs") step.action = Action::sysfs;
  else if (mount.type == "cgroup" || mount.type == "cgroup2") step.action = Action::cgroup;
  else step.action = Action::mount, step.lenient = comfort_.lenient && mount.type == "mqueue";
  if (!bind) behind = mount.type == "tmpfs" ? Behind::scratch : is_kernel_type(mount.type) ? Behind::kernel : Behind::scratch;
  bool read_only = (step.options.flags & MS_RDONLY) || (step.options.recursive_set & MOUNT_ATTR_RDONLY);
  std::erase_if(layered_, [&](const auto& item) { return starts_with_word(item.first, place.path); });  // covered now
  view_.add(place.path, behind, bind ? mount.source : std::string(), wanted);
  groups_.emplace_back();
  layers_.emplace_back();
  read_only_.push_back(read_only);
  push(std::move(step));
}

// The standard devices are shown in a /dev of our own and, by a layer, in ROOT's; a volume there is left as it is.
bool MountPlanner::own_dev() const {
  Place dev = view_.resolve("/dev", false);
  return dev.kind == Kind::missing || (dev.kind == Kind::directory && (dev.behind == Behind::scratch || dev.owner == 0));
}

void MountPlanner::add_devices() {
  std::vector<oci::Device> all;
  if (own_dev())
    for (auto [name, major, minor] : {std::tuple{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}})
      all.push_back({cat("/dev/", name), "c", major, minor, 0666, 0, 0});
  for (const auto& device : config_.devices) {
    std::erase_if(all, [&](const oci::Device& other) { return other.path == device.path; });
    all.push_back(device);
  }
  for (const auto& device : all) {
    Place place = view_.resolve(device.path, false);
    if (place.kind == Kind::directory) throw Error(cat("device ", device.path, ": the target is a directory"));
    prepare(place, Kind::file);
    Step step{Action::device};
    step.target = place.path;
    step.source = device.path;
    step.device = device;
    step.layered = place.behind == Behind::host;
    view_.add_entry(place.path, Kind::file);
    push(std::move(step));
  }
  if (own_dev()) add_links();
}

void MountPlanner::add_links() {
  for (auto [link, text] : {std::pair{"/dev/fd", "/proc/self/fd"}, {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/stdout", "/proc/self/fd/1"},
                            {"/dev/stderr", "/proc/self/fd/2"}, {"/dev/core", "/proc/kcore"}, {"/dev/ptmx", "pts/ptmx"}}) {
    Place place = view_.resolve(link, true);
    if (place.kind != Kind::missing || place.dangling) continue;
    if (text == std::string_view("/proc/kcore") && look_(text).kind == Kind::missing) continue;
    if (place.behind == Behind::host) {
      prepare(place, Kind::link, text);
      continue;
    }
    Step step{Action::symlink};
    step.source = text;
    step.target = link;
    push(std::move(step));
  }
}

void MountPlanner::add_console() {
  if (!own_dev()) return;
  Place place = view_.resolve("/dev/console", false);
  prepare(place, Kind::file);
  Step step{Action::console};
  step.target = "/dev/console";
  push(std::move(step));
}

std::vector<Step> MountPlanner::finish() {
  std::vector<Step> out;
  for (std::size_t number = 0; number < groups_.size(); ++number) {
    // A group's first step is its mount; for the root the caller has made it already.
    std::size_t first = number == 0 ? 0 : 1;
    if (first && !groups_[number].empty()) out.push_back(std::move(groups_[number][0]));
    for (auto& [base, layer] : layers_[number]) {
      Step step{Action::layer};
      step.source = layer.base_host;
      step.target = base;
      step.placeholders = std::move(layer.placeholders);
      step.read_only = layer.read_only;
      out.push_back(std::move(step));
    }
    for (std::size_t i = first; i < groups_[number].size(); ++i) out.push_back(std::move(groups_[number][i]));
  }
  return out;
}

unsigned long propagation_of(const std::string& name) {
  if (name.empty()) return 0;
  auto options = host::parse_mount_options({name});
  if (options.propagation.empty()) throw Error(cat("rootfsPropagation ", printable(name), " is not known"));
  return options.propagation[0];
}

std::vector<host::IdRange> ranges_of(const std::vector<oci::IdMapping>& mappings) {
  std::vector<host::IdRange> out;
  for (const auto& one : mappings) out.push_back({one.container, one.host, one.size});
  return out;
}

void plan_namespaces(Plan& plan, const oci::Config& config) {
  for (const auto& entry : config.namespaces) {
    if (!entry.path.empty()) {
      plan.join.push_back(entry);
      continue;
    }
    if (entry.type == "cgroup") plan.cgroup_namespace = true;
    else if (entry.type == "time") plan.time_namespace = true;
    else plan.clone_flags |= host::find_namespace_flag(entry.type).value_or(0);
  }
  std::stable_partition(plan.join.begin(), plan.join.end(), [](const oci::Namespace& entry) { return entry.type == "user"; });
  plan.new_user_namespace = plan.clone_flags & CLONE_NEWUSER;
  if (!plan.new_user_namespace) return;
  plan.uids = ranges_of(config.uid_mappings);
  plan.gids = ranges_of(config.gid_mappings);
  if (plan.uids.empty() || plan.gids.empty()) throw Error("a user namespace needs linux.uidMappings and linux.gidMappings");
}

void plan_after(Plan& plan, const oci::Config& config) {
  for (const auto& [key, value] : config.sysctl) {
    Step step{Action::write_file};
    step.target = cat("/proc/sys/", key);
    std::ranges::replace(step.target.begin() + 10, step.target.end(), '.', '/');
    step.data = value;
    plan.after.push_back(std::move(step));
  }
  for (const auto& path : config.read_only_paths) {
    Step step{Action::read_only};
    step.target = path;
    plan.after.push_back(std::move(step));
  }
  for (const auto& path : config.masked_paths) {
    Step step{Action::mask};
    step.target = path;
    plan.after.push_back(std::move(step));
  }
}

}  // namespace

std::string describe(const Step& step) {
  std::string out = kActionNames[static_cast<std::size_t>(step.action)];
  if (step.action == Action::mount) out += cat(" ", step.type);
  if (!step.source.empty() && step.action != Action::mount) out += cat(" ", step.source);
  if (!step.target.empty()) out += cat(" on ", step.target);
  for (const auto& placeholder : step.placeholders) out += cat(" +", placeholder.path, placeholder.kind == Kind::directory ? "/" : "");
  return out;
}

Plan plan_container(const oci::Config& config, const Comfort& comfort, const Look& look) {
  Plan plan;
  plan_namespaces(plan, config);
  plan.propagation = propagation_of(config.rootfs_propagation);
  plan.pivot = plan.clone_flags & CLONE_NEWNS;
  if (!plan.pivot) {
    if (!config.mounts.empty() && !config.find_namespace("mount"))
      throw Error("config.json: mounts need a mount namespace in linux.namespaces");
    plan_after(plan, config);
    return plan;
  }
  Step propagate{Action::propagate};
  propagate.options.propagation = {plan.propagation & (MS_SHARED | MS_SLAVE) ? MS_SLAVE | MS_REC : MS_SLAVE | MS_REC};
  plan.before.push_back(propagate);
  Step root{Action::bind_root};
  root.source = config.root_path;
  root.options.recursive = true;
  plan.before.push_back(root);
  MountPlanner mounts(config, comfort, look);
  for (const auto& mount : config.mounts) mounts.add_mount(mount);
  mounts.add_devices();
  if (config.process.terminal || comfort.keep_terminal) mounts.add_console();
  for (auto& step : mounts.finish()) plan.before.push_back(std::move(step));
  plan_after(plan, config);
  if (config.root_read_only) plan.after.push_back(Step{Action::root_read_only});
  return plan;
}

}  // namespace udocker::launcher
