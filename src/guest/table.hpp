// The system call table: every number of the supported kernels and what is done with it.
#pragma once
#include "guest/path.hpp"

namespace udocker::guest {

enum class Abi : uint8_t { x86_64, aarch64, i386 };

#if defined(__x86_64__)
inline constexpr Abi kNativeAbi = Abi::x86_64;
#else
inline constexpr Abi kNativeAbi = Abi::aarch64;
#endif

// The routine of translate.cpp that understands the call.
enum class Op : uint8_t {
  pass,      // harmless: never stops
  refuse,    // answered with Row::error
  path,      // one path (and directory descriptor): mapped as the traits say
  two_paths, // rename, link
  open, openat2, symlink, readlink, stat, statx, fstat, access, getcwd, chdir, chroot, exec,
  mkdir, mknod, remove, chmod, fchmod, chown, fchown, xattr, fxattr,
  socket_name,   // bind, connect: address in memory
  send_to, send_message, send_messages, socket_call,
  peer_name,     // getsockname, getpeername, accept: address comes back
  receive,       // recvmsg, recvmmsg: addresses of senders
  get_option,    // getsockopt: ids of the peer
  get_id, get_res_id, get_groups, set_id, set_groups, capget, capset, prctl,
  uname, set_name, getdents, ptrace, wait, unshare, clone, seccomp,
  get_affinity, set_affinity,
};

// The one option that get_option is about: SO_PEERCRED, unix(7).
inline constexpr uint32_t kPeerCredentials = 17;

enum Trait : uint16_t {
  kFollow = 1,          // follows a last link unless the flags argument says AT_SYMLINK_NOFOLLOW
  kFlagFollow = 2,      // does not follow unless the flags argument says AT_SYMLINK_FOLLOW
  kChanges = 4,         // changes the file or its directory: EROFS on read-only mounts
  kCreates = 8,         // the last component may be missing
  kUnlinks = 16,        // removes or replaces the name
  kEmptyPath = 32,      // AT_EMPTY_PATH or a null path means the descriptor itself
  kOnlyFakeIds = 64,    // stops only when ids are emulated
  kOnlyReadOnly = 128,  // stops only when ids are emulated or some bind is read-only
  kOnlyPath = 256,      // the filter lets it pass when the argument Row::path is 0
  kOnlyRelease = 512,   // stops only when the release or node name is emulated
  kOnlyUnlisted = 1024, // stops only when mounts must be added to listings
  kOnlyEngine = 2048,   // stops only when the engine asks for it (FilterSpec::engine_rows)
  kOnlyAsked = 4096,    // stops only when senders' names are asked for (FilterSpec::senders)
};

struct Row {
  int16_t number[3];  // by Abi; -1: the architecture has none
  Op op;
  int8_t path, dir;    // argument numbers of the path and its directory descriptor; -1: none
  int8_t path2, dir2;
  int8_t flags;        // argument number of the AT_* flags; -1: none
  uint8_t detail;      // for the routine: which one of a family; for refuse: the errno
  uint16_t traits;
  const char* name;
};

// getxattr, listxattr and their like; not the forms with a directory descriptor.
inline bool reads_attributes(const Row& row) { return row.op == Op::xattr && (row.detail == 1 || row.detail == 2); }

// Null for a number the table does not know: refuse it with ENOSYS.
const Row* find_row(Abi abi, long number);
const Row* all_rows(size_t* count);
long table_limit(Abi abi);  // numbers from here on are unknown

}  // namespace udocker::guest
