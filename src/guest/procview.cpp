// What /proc shows in guest terms, uname, and listings of directories that hold mounts ROOT has no entry for.
#include <linux/memfd.h>

#include "guest/parts.hpp"

namespace udocker::guest {

namespace {

constexpr size_t kBuffer = 8192;

// Text gathered in a buffer and written to a descriptor.
class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) {}
  ~Writer() { flush(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void add(Text text) {
    for (size_t i = 0; i < text.size; ++i) {
      if (used_ == sizeof buffer_) flush();
      buffer_[used_++] = text[i];
    }
  }
  void add_number(uint64_t value) {
    char digits[20];
    size_t count = sizeof digits;
    do digits[--count] = static_cast<char>('0' + value % 10);
    while (value /= 10);
    add({digits + count, sizeof digits - count});
  }
  // Blanks and backslashes as in /proc/mounts.
  void add_escaped(Text text) {
    for (size_t i = 0; i < text.size; ++i) {
      char c = text[i];
      if (c != ' ' && c != '\t' && c != '\n' && c != '\\') {
        add({&c, 1});
        continue;
      }
      char octal[4] = {'\\', static_cast<char>('0' + ((c >> 6) & 3)), static_cast<char>('0' + ((c >> 3) & 7)),
                       static_cast<char>('0' + (c & 7))};
      add({octal, 4});
    }
  }

 private:
  void flush() {
    for (size_t done = 0; done < used_;) {
      long wrote = sys::call(__NR_write, fd_, sys::address(buffer_ + done), static_cast<long>(used_ - done));
      if (wrote <= 0) break;
      done += static_cast<size_t>(wrote);
    }
    used_ = 0;
  }

  int fd_;
  size_t used_ = 0;
  char buffer_[2048];
};

void write_mounts(const View& view, Writer& out, Magic magic) {
  for (size_t i = 0; i < view.mount_count; ++i) {
    const Mount& mount = view.mounts[i == 0 ? 0 : view.mount_count - i];
    Text guest = view.guest_of(mount);
    Text type = mount.flags & kMountProc ? Text("proc") : guest == "/dev" ? Text("devtmpfs") : guest == "/sys" ? Text("sysfs") : Text("none");
    Text options = mount.flags & kMountReadOnly ? Text("ro,relatime") : Text("rw,relatime");
    if (i == 0) type = "rootfs";
    if (magic == Magic::mounts) {
      out.add(type);
      out.add(" ");
      out.add_escaped(guest);
      out.add(" ");
      out.add(type);
      out.add(" ");
      out.add(options);
      out.add(" 0 0\n");
    } else if (magic == Magic::mountinfo) {
      out.add_number(20 + i);
      out.add(i == 0 ? Text(" 1 0:") : Text(" 20 0:"));
      out.add_number(20 + i);
      out.add(" / ");
      out.add_escaped(guest);
      out.add(" ");
      out.add(options);
      out.add(" - ");
      out.add(type);
      out.add(" ");
      out.add(type);
      out.add(" rw\n");
    } else {
      out.add("device ");
      out.add(type);
      out.add(" mounted on ");
      out.add_escaped(guest);
      out.add(" with fstype ");
      out.add(type);
      out.add("\n");
    }
  }
}

// Rewrites one line of maps or smaps; the path begins at the first '/'.
void write_map_line(Task& task, Text line, Writer& out) {
  size_t slash = 0;
  while (slash < line.size && line[slash] != '/') ++slash;
  bool mapped = slash < line.size && slash > 40;
  if (!mapped) return out.add(line);
  out.add(line.first(slash));
  task.text.assign(line.from(slash));
  link_text_to_guest(task.place, task.text, task.input2);
  out.add(task.input2.text());
}

bool write_maps(Task& task, const Resolved& found, Writer& out) {
  long fd = sys::open(found.host.c_str(), 02000000);
  if (fd < 0) return false;
  char buffer[kBuffer];
  size_t have = 0;
  while (true) {
    long got = sys::call(__NR_read, fd, sys::address(buffer + have), static_cast<long>(sizeof buffer - have));
    if (got <= 0) break;
    have += static_cast<size_t>(got);
    size_t start = 0;
    for (size_t i = 0; i < have; ++i) {
      if (buffer[i] != '\n') continue;
      write_map_line(task, {buffer + start, i - start}, out);
      out.add("\n");
      start = i + 1;
    }
    if (start == 0 && have == sizeof buffer) start = have;  // no sane line is that long
    for (size_t i = start; i < have; ++i) buffer[i - start] = buffer[i];
    have -= start;
  }
  sys::close(static_cast<int>(fd));
  return true;
}

}  // namespace

long proc_content(const Step& step, const Resolved& found) {
  bool mounts = found.magic == Magic::mounts || found.magic == Magic::mountinfo || found.magic == Magic::mountstats;
  char vector[1024];
  long vector_size = 0;
  if (found.magic == Magic::auxv) {
    const Place& place = step.task.place;
    vector_size = place.auxv_of ? place.auxv_of(place.context, found.magic_pid, vector, sizeof vector) : 0;
  }
  if (!mounts && found.magic != Magic::maps && vector_size <= 0) return -1;
  long fd = sys::call(__NR_memfd_create, sys::address("proc"), MFD_CLOEXEC);
  if (fd < 0) return -1;
  bool good = true;
  {
    Writer out(static_cast<int>(fd));
    if (mounts) {
      write_mounts(step.view(), out, found.magic);
    } else if (vector_size > 0) {
      out.add({vector, static_cast<size_t>(vector_size)});
    } else {
      good = write_maps(step.task, found, out);
    }
  }
  if (!good) {
    sys::close(static_cast<int>(fd));
    return -1;
  }
  sys::call(__NR_lseek, fd, 0, 0);
  return fd;
}

void do_uname(const Step& step) {
  constexpr size_t kField = 65;
  char fields[6 * kField];
  long result = sys::call(__NR_uname, sys::address(fields));
  if (result < 0) return step.answer(result);
  const View& view = step.view();
  auto put = [&](size_t field, Text text) {
    if (text.empty()) return;
    size_t size = text.size < kField - 1 ? text.size : kField - 1;
    for (size_t i = 0; i < kField; ++i) fields[field * kField + i] = i < size ? text[i] : '\0';
  };
  put(1, view.at(view.hostname, view.hostname_size));
  put(2, view.at(view.release, view.release_size));
  if (step.call.abi == Abi::i386) put(4, "i686");
  step.give(step.call.arg[0], fields, sizeof fields);
}

long finish_uname(Task&, const Call&, const Decision&, long result) { return result; }

namespace {

struct Entry64 {
  uint64_t ino;
  int64_t offset;
  uint16_t size;
  uint8_t type;
};

bool stat_descriptor(Task& task, int fd, sys::Stat& stat) {
  if (task.place.self) return sys::fstatat(fd, "", &stat, sys::kEmptyPath) == 0;
  proc_prefix(task.place, task.text);
  task.text.append("/fd/");
  task.text.append_number(static_cast<uint64_t>(fd));
  return sys::fstatat(sys::kAtCwd, task.text.c_str(), &stat, 0) == 0;
}

}  // namespace

// Entries for mounts whose names the directory lacks are given once, when the kernel's listing has ended: the answer 0
// becomes these entries, unless they were given already (then the descriptor's position is past our mark).
long finish_listing(Task& task, const Call& call, const Decision& decision, long result) {
  constexpr int64_t kMark = 0x6d6f756e74;  // as the position after our entries
  if (result > 0 && decision.row->detail == 1 && task.place.view->has(kLinkToSymlink)) return show_kept_links(task, call, result);
  if (result != 0 || decision.row->detail != 1) return result;
  auto fd = static_cast<int>(call.arg[0]);
  sys::Stat listed;
  if (!stat_descriptor(task, fd, listed)) return result;
  const View& view = *task.place.view;
  char* out = task.text.buffer();
  size_t used = 0;
  size_t room = call.arg[2] < kPathMax ? static_cast<size_t>(call.arg[2]) : kPathMax;
  for (size_t i = 1; i < view.mount_count; ++i) {
    const Mount& mount = view.mounts[i];
    if (!(mount.flags & kMountUnlisted)) continue;
    if (mount.parent_ino != listed.ino || mount.parent_dev != listed.dev) continue;
    Text guest = view.guest_of(mount);
    size_t end = guest.size;
    while (guest[end - 1] != '/') --end;
    Text name = guest.from(end);
    size_t size = (19 + name.size + 1 + 7) & ~size_t{7};
    if (used + size > room) break;
    Entry64 entry{1000000 + i, kMark, static_cast<uint16_t>(size),
                  static_cast<uint8_t>(mount.flags & kMountDirectory ? 4 : 8)};
    for (size_t b = 0; b < size; ++b) out[used + b] = '\0';
    __builtin_memcpy(out + used, &entry.ino, 8);
    __builtin_memcpy(out + used + 8, &entry.offset, 8);
    __builtin_memcpy(out + used + 16, &entry.size, 2);
    out[used + 18] = static_cast<char>(entry.type);
    __builtin_memcpy(out + used + 19, name.data, name.size);
    used += size;
  }
  if (used == 0 || !task.listing_ended || task.listing_ended(task.place.context, fd)) return result;
  return task.memory->write(call.arg[1], out, used) < 0 ? result : static_cast<long>(used);
}

}  // namespace udocker::guest
