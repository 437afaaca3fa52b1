// What to do with one system call of the program under the view.
#pragma once
#include "guest/exec_plan.hpp"
#include "guest/identity.hpp"
#include "guest/memory.hpp"
#include "guest/owners.hpp"
#include "guest/resolve.hpp"
#include "guest/table.hpp"

namespace udocker::guest {

struct Call {
  Abi abi = kNativeAbi;
  long number = 0;
  uint64_t arg[6] = {};
};

enum class Action : uint8_t {
  pass,     // let the call run as it is
  rewrite,  // run it with Decision::number, arg and blobs
  answer,   // do not run it; Decision::answer is its result (negative errno)
  exec,     // Decision::plan holds what to execute; the engine knows how
  engine,   // the engine's own business (ptrace, wait, affinity, seccomp); see Decision::row
};

// Data to be passed by address: replaces argument `arg`. Lives in the Task's workspace until the next translate.
struct Blob {
  uint8_t arg = 0;
  uint32_t size = 0;
  const void* data = nullptr;
};

inline constexpr size_t kMaxBlobs = 3;

// What finish() must do after the call ran; none: no stop at the exit is needed.
enum class Post : uint8_t {
  none,
  own_created,    // a file was made: record its emulated owner or mode
  socket_name,    // map an AF_UNIX address back
  peer_ids,       // the emulated ids of a socket's peer
  listing,        // add mounts to a directory listing
  release,        // change uname's answer
  close_extra,    // close Decision::extra_fd of the engine once the call is over
};

struct Decision {
  Action action = Action::pass;
  Post post = Post::none;
  uint8_t blob_count = 0;
  const Row* row = nullptr;
  long answer = 0;
  long number = 0;       // for rewrite; equals the call's unless it is turned into another
  uint64_t arg[6] = {};  // for rewrite; blobs replace theirs
  Blob blobs[kMaxBlobs];
  uint64_t keep[4] = {};  // for finish()
  int extra_fd = -1;      // descriptor of the engine's that the call reads through /proc; see Post::close_extra
};

// Everything translate needs to know about one thread. Engines own it; big parts may be shared between threads
// that cannot be inside translate at the same time.
struct Task {
  Place place;
  Memory* memory = nullptr;
  Identity* identity = nullptr;  // null: ids are the real ones
  Owners* owners = nullptr;      // null: nothing is remembered
  GuestPath* chroot_to = nullptr;  // where a chroot() stores the new root (place.root then refers to it); null: EPERM
  // Notes that the additional entries of this directory descriptor were given; true if they had been before. Null: none
  // are added.
  bool (*listing_ended)(void* context, int descriptor) = nullptr;
  // The ids of another process of this view; false: it is none. Null: nobody knows them.
  bool (*identity_of)(void* context, int pid, Identity& out) = nullptr;
  int engine_pid = 0;            // process that runs this code (its /proc/PID/fd holds extra_fd); 0: pid_of(place)
  // Working space; contents are void between calls except what the last Decision points to.
  Workspace work;
  GuestPath input, input2;  // the paths as the program wrote them
  Resolved first, second;
  ExecPlan plan;
  HostPath text;
  char small[512];
};

// Never blocks on anything but the file system. Guest memory that cannot be read gives the answer -EFAULT.
void translate(Task& task, const Call& call, Decision& decision);

// After a call for which decision.post != none. `result` is the kernel's; the possibly changed result is returned.
long finish(Task& task, const Call& call, const Decision& decision, long result);

}  // namespace udocker::guest
