// R modes: tasks of one MPI job on one host share a user namespace, so that they may read each other's memory
// (process_vm_readv, /proc/PID/fd) as tasks of the host can.
#pragma once
#include <string>

namespace udocker::ops {

// Path of the user namespace in which the container of another live run with the same `key` is ("/proc/N/ns/user").
// "" when there is none: then this process is noted as the one whose container others join. `dir` is local to the host.
std::string join_or_offer_user_namespace(const std::string& dir, const std::string& key);

}  // namespace udocker::ops
