// Between the files of translate: common steps of the handlers. Not for engines.
#pragma once
#include <asm/errno.h>

#include "guest/sys.hpp"
#include "guest/translate.hpp"

namespace udocker::guest {

// One call on its way through translate.
struct Step {
  Task& task;
  const Call& call;
  const Row& row;
  Decision& decision;

  const View& view() const { return *task.place.view; }
  bool fake() const { return task.identity && view().has(kFakeIds); }
  bool fake_root() const { return fake() && task.identity->is_root(); }
  bool has(Trait trait) const { return (row.traits & trait) != 0; }
  int argument(int index) const { return static_cast<int>(call.arg[index]); }

  void answer(long value) const {
    decision.action = Action::answer;
    decision.answer = value;
  }
  void set_argument(int index, uint64_t value) const {
    rewrite();
    decision.arg[index] = value;
  }
  void rewrite() const {
    if (decision.action != Action::rewrite) {
      decision.action = Action::rewrite;
      decision.number = call.number;
      for (int i = 0; i < 6; ++i) decision.arg[i] = call.arg[i];
    }
  }
  void put(int index, const void* data, size_t size) const {
    rewrite();
    decision.blobs[decision.blob_count++] = {static_cast<uint8_t>(index), static_cast<uint32_t>(size), data};
  }
  // A path that is the same on both sides stays where the program has it.
  void put_path(int index, const HostPath& path) const {
    if (!(path.text() == (index == row.path ? task.input : task.input2).text())) put(index, path.c_str(), path.size() + 1);
  }

  // Writes to the program's memory and answers 0, or -EFAULT.
  void give(uint64_t address, const void* data, size_t size, long value = 0) const {
    long result = task.memory->write(address, data, size);
    answer(result < 0 ? result : value);
  }
};

inline int directory_of(const Step& step, int index) {
  return index < 0 ? sys::kAtCwd : static_cast<int>(step.call.arg[index]);
}

inline uint32_t at_flags(const Step& step) {
  return step.row.flags < 0 ? 0 : static_cast<uint32_t>(step.call.arg[step.row.flags]);
}

// How the last link is treated by this call with these arguments.
Follow follow_of(const Step& step);

enum class Taken : uint8_t { path, descriptor, answered };

// Reads the path of argument `index` into `into`. descriptor: null or empty, and the call means its descriptor.
Taken take_path(const Step& step, int index, GuestPath& into);

// True when the kernel may use the name as it is: one component that is neither a mount nor leads elsewhere.
// With Follow::yes it looks whether the name is a link.
bool plain_name(const Step& step, int directory, const GuestPath& path, Follow follow);

// Resolves and makes the usual refusals (EROFS, EBUSY). False: answered.
bool map_path(const Step& step, int directory, const GuestPath& path, Follow follow, Resolved& out);

// The values shown for a file: owners, mode and device of the side store, ids of the view.
void show_owner(const Step& step, int directory, const char* path, int flags, sys::Stat& stat);

// CAP_DAC_OVERRIDE of an emulated root: gives the real owner the bits it lacks, keeping the old mode in the store.
void lift_directory(const Step& step, const HostPath& below);
void lift_file(const Step& step, const HostPath& file, const sys::Stat& stat);

uint32_t umask_of(const Task& task);

// Remembers that finish() must record owner or mode of a file this call makes. `forced`: permission bits added.
void plan_created(const Step& step, const HostPath& host, uint32_t forced);

// A descriptor of the engine with the guest's version of a file in /proc; -1 when the host's serves.
long proc_content(const Step& step, const Resolved& found);

// Hard links as symbolic links (links.cpp). is_kept_link: `link` is one, and `middle` what it points to. kept_links: how many
// names the file has; 0: it is not of this kind. The others are link(), and parts of unlink() and rename(): true: answered.
bool is_kept_link(const Step& step, const HostPath& link, HostPath& middle);
uint32_t kept_links(const Step& step, const HostPath& file);
void make_kept_link(const Step& step);
void drop_kept_link(const HostPath& middle);
bool remove_kept_link(const Step& step, const HostPath& link);
bool rename_over_kept_link(const Step& step);
long show_kept_links(Task& task, const Call& call, long result);

void do_open(const Step& step);
void do_openat2(const Step& step);
void do_stat(const Step& step);
void do_statx(const Step& step);
void do_fstat(const Step& step);
void do_access(const Step& step);
void do_readlink(const Step& step);
void do_getcwd(const Step& step);
void do_chroot(const Step& step);
void do_exec(const Step& step);
void do_make(const Step& step);  // mkdir, mknod, symlink
void do_remove(const Step& step);
void do_two_paths(const Step& step);
void do_chmod(const Step& step);
void do_fchmod(const Step& step);
void do_chown(const Step& step);
void do_fchown(const Step& step);
void do_xattr(const Step& step);
void do_fxattr(const Step& step);
void do_identity(const Step& step);  // every id and capability call, prctl
void do_socket(const Step& step);    // every call with a socket address
void do_uname(const Step& step);

// The name in the address that bind() was given.
Taken take_socket_name(const Step& step, GuestPath& into);

long finish_created(Task& task, const Call& call, const Decision& decision, long result);
long finish_socket(Task& task, const Call& call, const Decision& decision, long result);
long finish_credentials(Task& task, const Call& call, const Decision& decision, long result);
long finish_listing(Task& task, const Call& call, const Decision& decision, long result);
long finish_uname(Task& task, const Call& call, const Decision& decision, long result);

}  // namespace udocker::guest
