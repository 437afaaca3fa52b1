// The plan of a container: everything the launcher is going to do to the new process, in order, as a value.
#pragma once
#include "host/idmap.hpp"
#include "host/mounts.hpp"
#include "embedded/launcher/view.hpp"
#include "oci/runtime_spec.hpp"

#include <string>
#include <vector>

namespace udocker::launcher {

enum class Action {
  propagate,       // options.propagation on the old root
  bind_root,       // source (ROOT) becomes the new root's mount
  layer,           // throw-away layer over target that holds `placeholders`; source is target's host path
  create,          // placeholders below target, which is a scratch file system of ours
  mount,           // file system `type` on target
  bind,            // source over target
  proc,            // proc on target, with a fallback to the host's when `lenient`
  sysfs,           // sysfs on target, with a fallback to a recursive read-only bind
  cgroup,          // the container's own cgroup tree on target
  device,          // node on target: bound from source, or made when it may be
  symlink,         // source is the text, target the link; an existing entry stays
  console,         // the terminal of the container on /dev/console
  root_read_only,
  mask,            // target hidden by an empty directory or /dev/null; missing is fine
  read_only,       // target made read-only; missing is fine
  write_file,      // data into target (sysctl); failure is an error
};

struct Placeholder {
  std::string path;  // relative to the target
  Kind kind = Kind::directory;
  std::string target{};  // of a link
  bool operator==(const Placeholder&) const = default;
};

struct Step {
  Action action{};
  std::string source, target, type, data;
  host::MountOptions options;
  std::vector<Placeholder> placeholders;
  bool dangling = false;   // target is a symbolic link that leads nowhere and is covered itself
  bool lenient = false;    // a refusal is passed over
  bool layered = false;    // device: target is in a directory of the host, where no node may be made
  bool read_only = false;  // layer over something that is shown read-only
  oci::Device device;
  std::vector<oci::IdMapping> uid_mappings, gid_mappings;
  int tree = -1;  // bind: attach this detached tree in place of source
};

// One line for --debug and for error messages: "mount tmpfs on /dev".
std::string describe(const Step& step);

// How the tool's own runs differ from a plain OCI run.
struct Comfort {
  bool init = false;         // a small process 1 reaps children; the program is its child, so signals work as usual
  bool keep_terminal = false;  // stdin, stdout, stderr and the controlling terminal pass through as they are
  bool keep_descriptors = false;
  bool lenient = false;      // proc, sysfs, mqueue, hostname: use what can be had
  std::string work_dir;      // where an overlay may keep its work directory; on the file system of ROOT
};

struct Plan {
  int clone_flags = 0;              // CLONE_NEW… made together with the process
  bool cgroup_namespace = false, time_namespace = false;
  std::vector<oci::Namespace> join;  // namespaces with a path, user first
  std::vector<host::IdRange> uids, gids;
  bool new_user_namespace = false;
  std::vector<Step> before;  // the file system as seen from outside
  std::vector<Step> after;   // inside the new root
  unsigned long propagation = 0;     // of the container's root at the end
  bool pivot = true;                 // there is a mount namespace of its own
};

// `config.root_path` must be absolute. Throws Error for a mount that cannot be made.
Plan plan_container(const oci::Config& config, const Comfort& comfort, const Look& look);

}  // namespace udocker::launcher
