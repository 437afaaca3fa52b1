// R modes: a run as the configuration of an OCI runtime (compatibility spec 6.13). Pure.
#pragma once
#include "engine/plan.hpp"
#include "host/idmap.hpp"
#include "oci/runtime_spec.hpp"

#include <string>
#include <vector>

namespace udocker::engine {

struct OciFacts {
  uid_t uid = 0;  // of the caller
  gid_t gid = 0;
  std::vector<host::IdRange> root_uids, root_gids;  // what a caller with uid 0 may map
  bool recursive_read_only = false;                 // the kernel has mount_setattr (5.12)
  std::string host_name;
  bool terminal = false;                            // stdin and stdout are one
};

enum class Runtime { own, of_host };

// Throws Error for a device that is not usable.
oci::Config make_config(const RunPlan& plan, const OciFacts& facts, Runtime runtime);
OciFacts read_oci_facts();

}  // namespace udocker::engine
