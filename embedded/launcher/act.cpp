#include "embedded/launcher/act.hpp"

#include "embedded/launcher/copy_up.hpp"
#include "host/namespaces.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*);
extern "C" int umount2(const char*, int);

namespace udocker::launcher {
namespace {

constexpr int kDetach = 2;  // MNT_DETACH
constexpr unsigned long kBindFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME |
                                     MS_RELATIME | MS_STRICTATIME | 256;

// The first mount calls: what forbids mounting at all forbids them.
[[noreturn]] void refuse_root(const std::string& path, int error) {
  if (error == EPERM || error == EACCES)
    throw NotSupported(host::explain_mount_refusal(host::read_user_namespace_facts(), "the container's root", path, error));
  throw SystemError("mount the container's root on", path, error);
}

[[noreturn]] void refuse(const Step& step, std::string_view type, const SystemError& error) {
  int code = error.errno_value();
  if (code == EPERM || code == EACCES || code == ENODEV)
    throw NotSupported(host::explain_mount_refusal(host::read_user_namespace_facts(), type, step.target, code));
  throw error;
}

std::string without_option(const std::string& data, std::string_view prefix) {
  std::string out;
  for (const auto& word : split(data, ','))
    if (!word.empty() && !word.starts_with(prefix)) out += cat(out.empty() ? "" : ",", word);
  return out;
}

}  // namespace

UniqueFd Actor::target(const Step& step) const {
  return host::open_in_root(root_.get(), step.target, O_PATH | (step.dangling ? O_NOFOLLOW : 0));
}

void Actor::act(const Step& step) {
  if (log::enabled(log::Level::debug)) log::debug("launcher", describe(step));
  switch (step.action) {
    case Action::propagate:
      if (::mount(nullptr, "/", nullptr, step.options.propagation[0], nullptr) == 0) return;
      refuse_root("/", errno);
    case Action::bind_root: return bind_root(step);
    case Action::layer: return layer(step);
    case Action::create: return create(host::open_in_root(root_.get(), step.target, O_PATH | O_DIRECTORY).get(), step.placeholders);
    case Action::mount: return mount_type(step);
    case Action::bind: return bind(step);
    case Action::proc: return proc(step);
    case Action::sysfs: return sysfs(step);
    case Action::cgroup: return cgroup(step);
    case Action::device: return device(step);
    case Action::symlink: {
      UniqueFd dir = host::open_in_root(root_.get(), path_dirname(step.target), O_PATH | O_DIRECTORY);
      if (::symlinkat(step.source.c_str(), dir.get(), path_basename(step.target).c_str()) != 0 && errno != EEXIST)
        throw_errno("make the link", step.target);
      return;
    }
    case Action::console: return console(step);
    case Action::root_read_only: return host::change_flags(root_.get(), "/", MS_RDONLY, 0);
    case Action::mask: return mask(step);
    case Action::read_only: return read_only(step);
    case Action::write_file: return write_file(step);
  }
}

void Actor::bind_root(const Step& step) {
  root_path_ = step.source;
  original_ = open_fd(root_path_, O_PATH | O_DIRECTORY);
  if (::mount(root_path_.c_str(), root_path_.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) refuse_root(root_path_, errno);
  root_ = open_fd(root_path_, O_PATH | O_DIRECTORY);
}

void Actor::create(int base, const std::vector<Placeholder>& placeholders) {
  for (const auto& placeholder : placeholders) {
    const bool link = placeholder.kind == Kind::link;
    auto parts = split(placeholder.path, '/');
    UniqueFd at(::openat(base, ".", O_PATH | O_CLOEXEC));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const char* name = parts[i].c_str();
      if (i + 1 == parts.size() && link) {
        if (::symlinkat(placeholder.target.c_str(), at.get(), name) != 0 && errno != EEXIST) throw_errno("make the link", placeholder.path);
        break;
      }
      if (i + 1 == parts.size() && placeholder.kind == Kind::file) {
        UniqueFd made(::openat(at.get(), name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
        if (!made && errno != EEXIST) throw_errno("make the mount point", placeholder.path);
        break;
      }
      if (::mkdirat(at.get(), name, 0755) != 0 && errno != EEXIST) throw_errno("make the mount point", placeholder.path);
      UniqueFd next(::openat(at.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next) throw_errno("open the mount point", placeholder.path);
      at = std::move(next);
    }
  }
}

// The mount points live in a tmpfs below an overlay whose upper directory is the real one: the guest sees and changes
// the real directory, and the mount points exist nowhere but here. Where the kernel or the file system allows no such
// overlay, the tmpfs itself is shown, with every entry of the directory bound into it.
void Actor::layer(const Step& step) {
  UniqueFd place = target(step);
  struct stat info {};
  ::fstat(place.get(), &info);
  host::mount_at("tmpfs", place.get(), step.target, "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,mode=755");
  bool whole_root = step.target == "/";
  if (whole_root) root_ = open_fd(root_path_, O_PATH | O_DIRECTORY);
  UniqueFd scratch = target(step);
  ::fchmodat(AT_FDCWD, host::fd_path(scratch.get()).c_str(), info.st_mode & 07777, 0);
  create(scratch.get(), step.placeholders);
  std::string below = step.source.starts_with(root_path_ + "/") ? step.source.substr(root_path_.size() + 1) : step.source == root_path_ ? "." : "";
  UniqueFd upper(below.empty() ? ::open(step.source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)
                               : ::openat(original_.get(), below.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!upper) throw_errno("open", step.source);
  bool done = overlay(step, scratch.get(), upper.get());
  if (!done) copy_entries(step, scratch.get(), upper.get());
  if (whole_root) root_ = open_fd(root_path_, O_PATH | O_DIRECTORY);
  if (done && whole_root && !step.read_only) bind_directories(upper.get(), step.target);
}

bool Actor::overlay(const Step& step, int lower, int upper) {
  std::string data = cat("lowerdir=", host::fd_path(lower));
  if (step.read_only) {
    data += cat(":", host::fd_path(upper));
  } else {
    if (comfort_.work_dir.empty()) return false;
    std::string work = cat(comfort_.work_dir, "/", layers_++);
    if (::mkdir(work.c_str(), 0700) != 0) return false;
    UniqueFd work_fd(::open(work.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    std::string path = host::fd_path(work_fd.get());
    data += cat(",upperdir=", host::fd_path(upper), ",workdir=", path);
    std::string place = host::fd_path(lower);
    // volatile: or the whole file system below would be written out when the container ends. Kernels differ in the rest.
    std::string user = in_user_namespace_ ? ",userxattr" : "";
    for (const char* extra : {",volatile,uuid=null", ",volatile", ""})
      if (::mount("overlay", place.c_str(), "overlay", 0, (data + user + extra).c_str()) == 0) return true;
    log::debug("launcher", cat("no overlay on ", step.target, ": error ", errno));
    return false;
  }
  return ::mount("overlay", host::fd_path(lower).c_str(), "overlay", 0, (data + (in_user_namespace_ ? ",userxattr" : "")).c_str()) == 0;
}

// Directories below an overlaid root are bound over it: several runs see each other's files at once, at native speed.
void Actor::bind_directories(int upper, const std::string& shown) {
  for (const auto& name : list_directory(host::fd_path(upper))) {
    UniqueFd from(::openat(upper, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!from) continue;
    int fd = host::try_open_in_root(root_.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) continue;
    UniqueFd to(fd);
    host::mount_at(host::fd_path(from.get()), to.get(), cat(shown, name), {}, MS_BIND | MS_REC, {});
  }
}

void Actor::copy_entries(const Step& step, int scratch, int upper) {
  for (const auto& name : list_directory(host::fd_path(upper))) {
    Entry entry = look_at_host(cat(host::fd_path(upper), "/", name));
    if (entry.kind == Kind::missing) continue;
    if (entry.kind == Kind::link) {
      ::symlinkat(entry.target.c_str(), scratch, name.c_str());
      continue;
    }
    create(scratch, {{name, entry.kind}});
    UniqueFd from(::openat(upper, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    UniqueFd to(::openat(scratch, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!from || !to) throw_errno("open", cat(step.target, "/", name));
    host::mount_at(host::fd_path(from.get()), to.get(), cat(step.target, "/", name), {}, MS_BIND | MS_REC, {});
    if (!step.read_only) continue;
    UniqueFd again(::openat(scratch, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    host::change_flags(again.get(), name, MS_RDONLY, 0);
  }
  // What the guest would create directly in here would be lost: refuse it instead.
  host::change_flags(scratch, step.target, MS_RDONLY, 0);
}

// Propagation and recursive options, once the mount is there.
void Actor::finish_mount(const Step& step) {
  const auto& options = step.options;
  if (options.propagation.empty() && !options.recursive_set && !options.recursive_clear) return;
  UniqueFd done = target(step);
  for (unsigned long flags : options.propagation) host::set_propagation(done.get(), step.target, flags);
  if (options.recursive_set || options.recursive_clear)
    host::change_flags_recursive(done.get(), step.target, options.recursive_set, options.recursive_clear);
}

// Mounts the file system with these flags; ids in its data that are not mapped here (gid=5 for terminals) are left out.
void Actor::mount_data(const Step& step, int place, unsigned long flags) {
  std::string source = step.source.empty() ? step.type : step.source;
  try {
    host::mount_at(source, place, step.target, step.type, flags, step.options.data);
  } catch (const SystemError& error) {
    std::string data = without_option(without_option(step.options.data, "gid="), "uid=");
    if (error.errno_value() != EINVAL || data == step.options.data) throw;
    host::mount_at(source, place, step.target, step.type, flags, data);
  }
}

void Actor::mount_type(const Step& step) {
  UniqueFd place = target(step);
  bool copy = step.options.copy_up && step.type == "tmpfs";
  try {
    mount_data(step, place.get(), step.options.flags & ~(copy ? static_cast<unsigned long>(MS_RDONLY) : 0));
  } catch (const SystemError& error) {
    if (step.lenient) return log::debug("launcher", error.what());
    refuse(step, step.type, error);
  }
  if (copy) {
    UniqueFd filled = target(step);
    copy_up(place.get(), filled.get(), step.target);
    if (step.options.flags & MS_RDONLY) host::change_flags(filled.get(), step.target, MS_RDONLY, 0);
  }
  finish_mount(step);
}

void Actor::bind(const Step& step) {
  UniqueFd place = target(step);
  const auto& options = step.options;
  if (step.tree >= 0) {
    host::attach_tree(step.tree, place.get(), step.target);
  } else {
    try {
      host::mount_at(step.source, place.get(), step.target, {}, MS_BIND | (options.recursive ? MS_REC : 0), {});
    } catch (const SystemError& error) {
      if (error.errno_value() == EINVAL && !options.recursive)  // something locked lies on top of it
        host::mount_at(step.source, place.get(), step.target, {}, MS_BIND | MS_REC, {});
      else throw;
    }
  }
  unsigned long set = options.flags & kBindFlags;
  if (set || (options.cleared & (MS_NOSUID | MS_NODEV | MS_NOEXEC))) {
    UniqueFd done = target(step);
    host::change_flags(done.get(), step.target, set, options.cleared & kBindFlags);
  }
  finish_mount(step);
}

void Actor::proc(const Step& step) {
  UniqueFd place = target(step);
  try {
    host::mount_at("proc", place.get(), step.target, "proc", step.options.flags, step.options.data);
  } catch (const SystemError& error) {
    if (!step.lenient || error.errno_value() != EPERM) refuse(step, "proc", error);
    log::debug("launcher", "no proc of its own is allowed here: the host's is shown");
    host::mount_at("/proc", place.get(), step.target, {}, MS_BIND | MS_REC, {});
  }
  finish_mount(step);
}

void Actor::sysfs(const Step& step) {
  UniqueFd place = target(step);
  try {
    host::mount_at("sysfs", place.get(), step.target, "sysfs", step.options.flags, step.options.data);
  } catch (const SystemError& error) {
    if (error.errno_value() != EPERM && error.errno_value() != EACCES) refuse(step, "sysfs", error);
    host::mount_at("/sys", place.get(), step.target, {}, MS_BIND | MS_REC, {});
    UniqueFd done = target(step);
    unsigned long flags = (step.options.flags & (MS_NOSUID | MS_NODEV | MS_NOEXEC)) | MS_RDONLY;
    try {
      host::change_flags_recursive(done.get(), step.target, flags, 0);
    } catch (const NotSupported&) {
      host::change_flags(done.get(), step.target, flags, 0);
    }
  }
  finish_mount(step);
}

void Actor::cgroup(const Step& step) {
  UniqueFd place = target(step);
  unsigned long flags = step.options.flags;
  int top = ::open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
  UniqueFd host_tree(top);
  if (!host_tree) return;  // a host without cgroups
  if (host::is_mount_type(top, CGROUP2_SUPER_MAGIC)) {
    if (::mount("cgroup2", host::fd_path(place.get()).c_str(), "cgroup2", flags, nullptr) == 0) return;
  }
  if (::mount("/sys/fs/cgroup", host::fd_path(place.get()).c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    int saved = errno;
    refuse(step, "cgroup", SystemError("bind /sys/fs/cgroup on", step.target, saved));
  }
  // Every hierarchy below, or a writable one would give the host away to the container's root.
  UniqueFd done = target(step);
  try {
    host::change_flags_recursive(done.get(), step.target, flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC), 0);
  } catch (const NotSupported&) {
    ::umount2(host::fd_path(done.get()).c_str(), kDetach);
  }
}

void Actor::device(const Step& step) {
  const auto& device = step.device;
  if (!in_user_namespace_ && !step.layered) {
    UniqueFd dir = host::open_in_root(root_.get(), path_dirname(step.target), O_PATH | O_DIRECTORY);
    std::string name = path_basename(step.target);
    mode_t type = device.type == "b" ? S_IFBLK : device.type == "p" ? S_IFIFO : S_IFCHR;
    dev_t number = makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
    mode_t mode = device.file_mode.value_or(0666) & 07777;
    struct stat info {};
    bool empty = ::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) && info.st_size == 0;
    if (empty) ::unlinkat(dir.get(), name.c_str(), 0);
    if (::mknodat(dir.get(), name.c_str(), type | mode, number) == 0) {
      ::fchmodat(dir.get(), name.c_str(), mode, 0);
      if (::fchownat(dir.get(), name.c_str(), device.uid.value_or(0), device.gid.value_or(0), AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno("set the owner of", step.target);
      return;
    }
    if (errno != EPERM && errno != EEXIST) throw_errno("make the device", step.target);
    if (empty) create(dir.get(), {{name, Kind::file}});
  }
  UniqueFd place = target(step);
  host::mount_at(step.source, place.get(), step.target, {}, MS_BIND, {});
}

// The terminal that stdin or stdout is on, so that ttyname() finds it in the container.
void Actor::console(const Step& step) {
  if (!comfort_.keep_terminal) return;
  for (int fd : {0, 1, 2}) {
    if (!::isatty(fd)) continue;
    auto path = find_link(host::fd_path(fd));
    struct stat here {}, there {};
    if (!path || ::fstat(fd, &here) != 0 || ::stat(path->c_str(), &there) != 0 || here.st_rdev != there.st_rdev) continue;
    UniqueFd place = target(step);
    if (::mount(path->c_str(), host::fd_path(place.get()).c_str(), nullptr, MS_BIND, nullptr) == 0) return;
  }
}

void Actor::mask(const Step& step) {
  int fd = host::try_open_in_root(root_.get(), step.target, O_PATH);
  if (fd < 0) return;
  UniqueFd place(fd);
  struct stat info {};
  ::fstat(fd, &info);
  if (S_ISDIR(info.st_mode))
    host::mount_at("tmpfs", place.get(), step.target, "tmpfs", MS_RDONLY, "size=0k");
  else
    host::mount_at("/dev/null", place.get(), step.target, {}, MS_BIND, {});
}

void Actor::read_only(const Step& step) {
  int fd = host::try_open_in_root(root_.get(), step.target, O_PATH);
  if (fd < 0) return;
  UniqueFd place(fd);
  host::mount_at(host::fd_path(fd), fd, step.target, {}, MS_BIND | MS_REC, {});
  UniqueFd done = host::open_in_root(root_.get(), step.target, O_PATH);
  host::change_flags(done.get(), step.target, MS_RDONLY, 0);
}

void Actor::write_file(const Step& step) {
  UniqueFd file(::open(step.target.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) throw_errno("set", step.target);
  write_all(file.get(), step.data, step.target);
}

void Actor::pivot(unsigned long propagation) {
  if (::fchdir(root_.get()) != 0) throw_errno("enter", root_path_);
  if (::syscall(SYS_pivot_root, ".", ".") == 0) {
    if (::umount2(".", kDetach) != 0) throw_errno("detach", "the old root");
  } else {
    // The host's root is an initial RAM file system: it cannot be pivoted away.
    if (errno != EINVAL) throw_errno("pivot into", root_path_);
    if (::mount(root_path_.c_str(), "/", nullptr, MS_MOVE, nullptr) != 0) throw_errno("move to / the mount", root_path_);
    if (::chroot(".") != 0) throw_errno("change the root to", root_path_);
  }
  if (::chdir("/") != 0) throw_errno("enter", "/");
  root_ = open_fd("/", O_PATH | O_DIRECTORY);
  original_.reset();
  if (propagation && ::mount(nullptr, "/", nullptr, propagation, nullptr) != 0) throw_errno("set the propagation of", "/");
}

}  // namespace udocker::launcher
