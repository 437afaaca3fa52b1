// Mounts with their own id maps. Only the owner of the file system may make them, so the parent does, before the
// container exists; its child attaches the finished tree.
#include "embedded/launcher/container.hpp"

#include "host/idmap.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::launcher {
namespace {

std::vector<host::IdRange> ranges(const std::vector<oci::IdMapping>& mappings) {
  std::vector<host::IdRange> out;
  for (const auto& one : mappings) out.push_back({one.container, one.host, one.size});
  return out;
}

// A user namespace that exists only to carry a map.
UniqueFd make_map(const std::vector<host::IdRange>& uids, const std::vector<host::IdRange>& gids) {
  pid_t child = static_cast<pid_t>(::syscall(SYS_clone, static_cast<unsigned long>(CLONE_NEWUSER | SIGCHLD), nullptr, nullptr, nullptr, nullptr));
  if (child < 0) throw_errno("make", "a user namespace for an idmapped mount");
  if (child == 0)
    for (;;) ::pause();
  UniqueFd space;
  std::string failed;
  try {
    host::write_child_maps(child, uids, gids);
    space = open_fd(cat("/proc/", child, "/ns/user"), O_RDONLY);
  } catch (const Error& error) {
    failed = error.what();
  }
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!failed.empty()) throw Error(failed);
  return space;
}

}  // namespace

std::vector<UniqueFd> prepare_idmapped(Job& job) {
  std::vector<UniqueFd> trees;
  for (Step& step : job.plan.before) {
    if (step.action != Action::bind || (!step.options.idmap && step.uid_mappings.empty())) continue;
    const auto& uids = step.uid_mappings.empty() ? job.config.uid_mappings : step.uid_mappings;
    const auto& gids = step.gid_mappings.empty() ? job.config.gid_mappings : step.gid_mappings;
    if (uids.empty() || gids.empty()) throw Error(cat("mount ", step.target, ": an idmapped mount needs uidMappings and gidMappings"));
    UniqueFd space = make_map(ranges(uids), ranges(gids));
    UniqueFd source = open_fd(step.source, O_PATH);
    trees.push_back(host::open_idmapped(source.get(), step.target, space.get(), step.options.recursive_idmap || step.options.recursive));
    step.tree = trees.back().get();
  }
  return trees;
}

}  // namespace udocker::launcher
