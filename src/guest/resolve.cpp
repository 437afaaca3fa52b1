#include "guest/resolve.hpp"

#include <asm/errno.h>

#include "guest/sys.hpp"

namespace udocker::guest {

namespace {

constexpr int kMaxLinks = 40;
constexpr long kRestart = 1;

bool is_number(Text text) {
  for (size_t i = 0; i < text.size; ++i)
    if (text[i] < '0' || text[i] > '9') return false;
  return !text.empty();
}

int to_number(Text text) {
  int value = 0;
  for (size_t i = 0; i < text.size; ++i) value = value * 10 + (text[i] - '0');
  return value;
}

// Takes the next component off `rest`; false when there is none.
bool next_component(Text& rest, Text& name) {
  while (!rest.empty() && rest[0] == '/') rest = rest.from(1);
  if (rest.empty()) return false;
  size_t end = 0;
  while (end < rest.size && rest[end] != '/') ++end;
  name = rest.first(end);
  rest = rest.from(end);
  return true;
}

bool has_component(Text rest) {
  Text name;
  return next_component(rest, name);
}

class Walk {
 public:
  Walk(const Place& place, Workspace& work, Resolved& out) : place_(place), view_(*place.view), work_(work), out_(out) {}

  void start(Text canonical) {
    out_.guest.assign(canonical);
    locate();
  }

  void start_here() { locate(); }  // out.guest is set already

  // Walks `path` from where we are. The last component's link is followed as `last` says.
  long run(Text path, Follow last, bool keep_prefixes, Text prefix_text) {
    Text rest = path;
    bool clean = keep_prefixes;
    Text name;
    while (next_component(rest, name)) {
      bool is_last = !has_component(rest);
      out_.is_mount_point = false;
      out_.last = Last::unknown;
      long result = step(name, rest, is_last, is_last ? last : Follow::yes);
      if (result < 0) return result;
      if (result == kRestart) {
        clean = false;
        rest = work_.pending.text();
        if (!has_component(rest)) out_.last = Last::not_link;
        continue;
      }
      if (out_.last == Last::missing && !is_last) return -ENOENT;
      // What stands before an inner "." was not looked at: only a last one is, and only that makes it a directory.
      if (clean && !is_last && !(name == ".")) {
        Text written(prefix_text.data, static_cast<size_t>(name.data + name.size - prefix_text.data));
        remember(written);
      }
      if (out_.magic != Magic::none && is_last) break;
    }
    return out_.guest.overflow() || out_.host.overflow() ? -ENAMETOOLONG : 0;
  }

  // A followed link's own name was noted on the way.
  void remember(Text written, Kept kind = Kept::directory) {
    if (volatile_ || (out_.mount->flags & kMountProc)) return;
    keep_directory(place_.shared, place_.root, written, out_.guest.text(), generation, kind);
    Text canonical = out_.guest.text();
    for (size_t i = 1; i <= canonical.size; ++i)
      if (i == canonical.size || canonical[i] == '/') depend_on(place_.shared, canonical.first(i));
  }

  uint32_t generation = 0;
  int links = 0;
  bool slash = false;  // the last link's text ends with one: what it names must be a directory

 private:
  void locate() {
    out_.mount = &mount_of_guest(view_, out_.guest.text());
    guest_to_host(view_, out_.guest.text(), out_.host);
  }

  long step(Text name, Text rest, bool is_last, Follow follow) {
    if (name == ".") {
      out_.last = Last::not_link;
      return is_last ? must_be_directory() : 0;
    }
    if (name == "..") return up();
    if (name.size > 255) return -ENAMETOOLONG;
    out_.guest.append_component(name);
    if (mount_is_called(view_, name)) {
      if (const Mount* mount = mount_at(view_, out_.guest.text())) {
        out_.mount = mount;
        out_.host.assign(view_.host_of(*mount));
        out_.is_mount_point = true;
        out_.last = Last::not_link;
        return 0;
      }
    }
    out_.host.append_component(name);
    if (out_.host.overflow() || out_.guest.overflow()) return -ENAMETOOLONG;
    if (out_.mount->flags & kMountProc) {
      long result = proc_step(rest, is_last, follow);
      if (result != 2) return result;
    }
    if (is_last && follow == Follow::no) return 0;
    if (place_.want_type && is_last) {
      sys::Stat stat;
      HostName host = name_of(place_, out_);
      long result = sys::fstatat(host.directory, host.path, &stat, sys::kNoFollow);
      if (result == 0) out_.type = stat.mode & sys::kTypeMask;
      if (result == 0 && out_.type != sys::kTypeLink) {
        out_.last = Last::not_link;
        return 0;
      }
    }
    char* target = work_.link.buffer();
    HostName host = name_of(place_, out_);
    long size = sys::readlinkat(host.directory, host.path, target, kPathMax - 1);
    if (size == -EINVAL) {
      out_.last = Last::not_link;
      return 0;
    }
    if (size == -ENOENT) {
      out_.last = Last::missing;
      return is_last ? 0 : -ENOENT;
    }
    if (size < 0) return size;
    if (size >= static_cast<long>(kPathMax) - 1) return -ENAMETOOLONG;
    work_.link.set_size(static_cast<size_t>(size));
    if ((out_.mount->flags & kMountProc) && is_last && work_.link.back() == ']') {
      out_.magic = Magic::fd;
      out_.last = Last::not_link;
      return 0;
    }
    depend_on(place_.shared, out_.host.text());
    return splice(rest);
  }

  // The link text in work_.link replaces the component just added.
  long splice(Text rest) {
    out_.walked_links = true;
    if (++links > kMaxLinks) return -ELOOP;
    Text target = without_root(view_, work_.link.text());
    if (target.empty()) return -ENOENT;
    if (!has_component(rest) && target[target.size - 1] == '/') slash = true;
    work_.spare.assign(target);
    work_.spare.append(rest);
    if (work_.spare.overflow()) return -ENAMETOOLONG;
    work_.pending.assign(work_.spare.text());
    if (target[0] == '/') {
      start(place_.root);
    } else {
      out_.guest.pop_component();
      locate();
    }
    return kRestart;
  }

  // Continues at a canonical guest path, with what is left of the path behind it.
  long jump(Text canonical, Text rest) {
    if (++links > kMaxLinks) return -ELOOP;
    work_.spare.assign(rest);
    start(canonical);
    work_.pending.assign(work_.spare.text());
    volatile_ = true;
    return kRestart;
  }

  long must_be_directory() {
    size_t size = out_.host.size();
    out_.host.append("/.");
    sys::Stat stat;
    long result = sys::lstat(out_.host.c_str(), &stat);
    out_.host.set_size(size);
    return result;
  }

  long up() {
    out_.last = Last::not_link;
    long result = must_be_directory();
    if (result < 0) return result;
    if (out_.guest.text() == place_.root || out_.guest.text() == "/") return 0;
    out_.guest.pop_component();
    locate();
    return 0;
  }

  // 2: an ordinary component.
  long proc_step(Text rest, bool is_last, Follow follow) {
    volatile_ = true;
    Text below = out_.guest.text().from(view_.guest_of(*out_.mount).size);
    Text first, second, third, name;
    if (!next_component(below, first)) return 2;
    bool more = next_component(below, second);
    if (!more && (first == "self" || first == "thread-self")) {
      if (is_last && follow == Follow::no) return 0;
      bool thread = first == "thread-self";
      out_.guest.pop_component();
      out_.host.pop_component();
      append_process(out_.guest, thread);
      append_process(out_.host, thread);
      out_.last = Last::not_link;
      return 0;
    }
    if (!is_number(first) || !more) return 2;
    int pid = to_number(first);
    if (second == "task" && next_component(below, third) && next_component(below, second)) pid = to_number(third);
    name = second;
    bool in_fd = (name == "fd" || name == "map_files") && next_component(below, third);
    if (has_component(below)) return 2;
    if (in_fd) return magic_link(Magic::fd, pid, rest, is_last, follow);
    if (name == "exe") return magic_link(Magic::exe, pid, rest, is_last, follow);
    if (name == "cwd") return magic_link(Magic::cwd, pid, rest, is_last, follow);
    if (name == "root") return magic_link(Magic::root, pid, rest, is_last, follow);
    if (is_last) {
      out_.magic_pid = pid;
      if (name == "maps" || name == "smaps") out_.magic = Magic::maps;
      if (name == "mounts") out_.magic = Magic::mounts;
      if (name == "mountinfo") out_.magic = Magic::mountinfo;
      if (name == "mountstats") out_.magic = Magic::mountstats;
      if (name == "cmdline") out_.magic = Magic::cmdline;
      if (name == "status") out_.magic = Magic::status;
      if (name == "auxv" && place_.auxv_of) out_.magic = Magic::auxv;
      out_.last = Last::not_link;
      return 0;
    }
    return 2;
  }

  template <class Path>
  void append_process(Path& path, bool thread) {
    if (path.back() != '/') path.append("/");
    path.append_number(pid_of(place_));
    if (!thread) return;
    path.append("/task/");
    path.append_number(tid_of(place_));
  }

  long magic_link(Magic magic, int pid, Text rest, bool is_last, Follow follow) {
    out_.magic_pid = pid;
    if (is_last && follow == Follow::no) {
      out_.magic = magic;
      return 0;
    }
    if (magic == Magic::root) return jump(place_.root, rest);
    GuestPath& found = work_.other;
    if (magic == Magic::exe && place_.program_of && place_.program_of(place_.context, pid, found))
      return jump(found.text(), rest);
    long size = sys::readlink(out_.host.c_str(), work_.link.buffer(), kPathMax - 1);
    if (size < 0) return size;
    work_.link.set_size(static_cast<size_t>(size));
    bool mapped = magic != Magic::fd || !is_last;
    if (mapped && work_.link.c_str()[0] == '/' && host_to_guest(view_, work_.link.text(), found))
      return jump(found.text(), rest);
    if (!is_last) return -ENOTDIR;
    out_.magic = magic;
    out_.last = Last::not_link;
    return 0;
  }

  const Place& place_;
  const View& view_;
  Workspace& work_;
  Resolved& out_;
  bool volatile_ = false;
};

// The last component of `path`; `before` is what precedes it.
bool split_last(Text path, Text& before, Text& last) {
  size_t end = path.size;
  while (end > 0 && path[end - 1] == '/') --end;
  size_t start = end;
  while (start > 0 && path[start - 1] != '/') --start;
  last = Text(path.data + start, end - start);
  before = path.first(start);
  return !last.empty();
}

Text without_slashes(Text path) {
  while (path.size > 1 && path[path.size - 1] == '/') path.size--;
  return path;
}

}  // namespace

Text without_root(const View& view, Text path) {
  if (!view.has(kHostLinks) || view.root().size == 1 || !contains_path(view.root(), path)) return path;
  return path.size == view.root().size ? Text("/") : path.from(view.root().size);
}

void proc_prefix(const Place& place, HostPath& out) {
  if (place.self) {
    out.assign("/proc/thread-self");
    return;
  }
  out.assign("/proc/");
  out.append_number(tid_of(place));
}

long host_of_descriptor(const Place& place, int directory, HostPath& out) {
  HostPath& link = out;
  if (place.self && directory == sys::kAtCwd) {
    long size = sys::call(__NR_getcwd, sys::address(out.buffer()), kPathMax - 1);
    if (size == -ENOENT) return size;
    if (size > 0 && out.c_str()[0] == '/') {
      out.set_size(static_cast<size_t>(size) - 1);
      return 0;
    }
  }
  proc_prefix(place, link);
  if (directory == sys::kAtCwd) {
    link.append("/cwd");
  } else {
    if (directory < 0) return -EBADF;
    link.append("/fd/");
    link.append_number(static_cast<uint64_t>(directory));
  }
  // The kernel copies the name before it writes the answer, so one buffer serves both.
  long size = sys::readlink(link.c_str(), out.buffer(), kPathMax - 1);
  if (size == -ENOENT) return directory == sys::kAtCwd ? -ENOENT : -EBADF;
  if (size < 0) return size;
  out.set_size(static_cast<size_t>(size));
  return 0;
}

long guest_of_descriptor(const Place& place, Workspace& work, int directory, GuestPath& out) {
  long result = host_of_descriptor(place, directory, work.link);
  if (result < 0) return result;
  Text host = work.link.text();
  if (host.empty() || host[0] != '/') return -ENOTDIR;
  return host_to_guest(*place.view, host, out) ? 0 : -ENOENT;
}

long resolve(const Place& place, Workspace& work, int directory, Text path, Follow follow, Resolved& out) {
  out.magic = Magic::none;
  out.magic_pid = 0;
  out.last = Last::unknown;
  out.is_mount_point = false;
  out.mount = nullptr;
  out.walked_links = false;
  out.type = 0;
  path = without_root(*place.view, path);
  if (path.empty()) return -ENOENT;
  out.trailing = path[path.size - 1] == '/';
  if (out.trailing) follow = Follow::yes;

  Walk walk(place, work, out);
  walk.generation = place.shared ? __atomic_load_n(&place.shared->generation, __ATOMIC_ACQUIRE) : 0;
  bool whole = path[0] == '/' && follow == Follow::yes && !out.trailing && !place.want_type;
  if (whole && find_directory(place.shared, place.root, path, out.guest, Kept::link)) {
    walk.start_here();
    out.last = Last::not_link;
    out.walked_links = true;
    return out.host.overflow() ? -ENAMETOOLONG : 0;
  }
  Text before, last;
  bool named = split_last(path, before, last);
  if (!named || last == "." || last == "..") {
    before = path;
    last = Text();
  }
  Text directory_text;
  if (path[0] == '/') {
    directory_text = without_slashes(before);
    if (!find_directory(place.shared, place.root, directory_text, out.guest)) {
      // Start at the longest prefix that is known.
      Text prefix = directory_text;
      bool found = false;
      while (!found) {
        size_t end = prefix.size;
        while (end > 0 && prefix[end - 1] != '/') --end;
        while (end > 0 && prefix[end - 1] == '/') --end;
        if (end == 0) break;
        prefix = prefix.first(end);
        found = find_directory(place.shared, place.root, prefix, out.guest);
      }
      Text rest = found ? directory_text.from(prefix.size) : directory_text;
      if (found) {
        walk.start_here();
      } else {
        walk.start(place.root);
      }
      long result = walk.run(rest, Follow::yes, true, directory_text);
      if (result < 0) return result;
      if (out.last == Last::missing) return -ENOENT;
      walk.remember(directory_text);
    } else {
      walk.start_here();
    }
  } else {
    long result = guest_of_descriptor(place, work, directory, work.spare);
    if (result < 0) return result;
    Text base = work.spare.text();
    if (has_component(before)) {
      GuestPath& key = work.key;
      key.assign(base);
      if (key.back() != '/') key.append("/");
      key.append(without_slashes(before));
      if (key.overflow()) return -ENAMETOOLONG;
      if (find_directory(place.shared, place.root, key.text(), out.guest)) {
        walk.start_here();
      } else {
        walk.start(base);
        result = walk.run(before, Follow::yes, false, before);
        if (result < 0) return result;
        if (out.last == Last::missing) return -ENOENT;
        walk.remember(key.text());
      }
    } else {
      walk.start(base);
    }
  }
  if (!last.empty()) {
    out.last = Last::unknown;
    walk.slash = false;
    int links = walk.links;
    long result = walk.run(last, follow, false, last);
    if (result < 0) return result;
    if (walk.slash) out.trailing = true;
    bool plain = out.last == Last::not_link && out.magic == Magic::none && !out.is_mount_point && !out.trailing;
    if (whole && plain && walk.links > links) walk.remember(path, Kept::link);
  } else {
    out.last = Last::not_link;
  }
  if (out.trailing && out.host.back() != '/') out.host.append("/");
  return out.host.overflow() ? -ENAMETOOLONG : 0;
}

}  // namespace udocker::guest
