// Hard links as symbolic links (-l), for file systems that have none. As PRoot does it: the first link() moves the file to
// a hidden name beside it that ends in the number of its links,
//     name -> /dir/.l2s.name0001 -> .l2s.name0001.0002
// and makes every name a symbolic link to the one in the middle. Such a name is shown as the file itself; the file goes
// when its last name does. Moving the folder of the first name breaks the others.
#include "guest/parts.hpp"

namespace udocker::guest {

namespace {

constexpr Text kPrefix = ".l2s.";
constexpr size_t kDigits = 4;
constexpr uint32_t kMostLinks = 9999;

Text base_of(Text path) {
  size_t start = path.size;
  while (start > 0 && path[start - 1] != '/') --start;
  return path.from(start);
}

bool hidden(Text name) { return name.size > kPrefix.size && name.first(kPrefix.size) == kPrefix; }

void append_digits(HostPath& path, uint32_t value) {
  char digits[kDigits];
  for (size_t i = kDigits; i > 0; --i, value /= 10) digits[i - 1] = static_cast<char>('0' + value % 10);
  path.append({digits, kDigits});
}

// The number at the end of `.l2s.name0001.0002`; 0: the name is not of this kind.
uint32_t count_in(Text path) {
  Text name = base_of(path);
  if (!hidden(name) || name.size < kDigits + 1 || name[name.size - kDigits - 1] != '.') return 0;
  uint32_t value = 0;
  for (size_t i = name.size - kDigits; i < name.size; ++i) {
    if (name[i] < '0' || name[i] > '9') return 0;
    value = value * 10 + static_cast<uint32_t>(name[i] - '0');
  }
  return value;
}

bool read_link(const HostPath& link, HostPath& out) {
  long size = sys::readlink(link.c_str(), out.buffer(), kPathMax - 1);
  out.set_size(size > 0 ? static_cast<size_t>(size) : 0);
  return size > 0;
}

// The file behind the link in the middle.
bool file_of(const HostPath& middle, HostPath& file) {
  HostPath name;
  if (!read_link(middle, name) || count_in(name.text()) == 0) return false;
  Text path = middle.text();
  file.assign(path.first(path.size - base_of(path).size));
  file.append(base_of(name.text()));
  return true;
}

long rename(const HostPath& from, const HostPath& to) {
  return sys::call(__NR_renameat, sys::kAtCwd, sys::address(from.c_str()), sys::kAtCwd, sys::address(to.c_str()));
}
long symlink(const char* text, const HostPath& name) {
  return sys::call(__NR_symlinkat, sys::address(text), sys::kAtCwd, sys::address(name.c_str()));
}
long unlink(const HostPath& name) { return sys::call(__NR_unlinkat, sys::kAtCwd, sys::address(name.c_str()), 0); }

// Gives the file another number of links; 0 removes it.
long set_count(const HostPath& middle, const HostPath& file, uint32_t count) {
  if (count == 0) {
    unlink(file);
    return unlink(middle);
  }
  if (count > kMostLinks) return -EMLINK;
  HostPath next, fresh;
  next.assign(middle.text());
  next.append(".");
  append_digits(next, count);
  fresh.assign(next.text());
  fresh.append(".new");
  long result = rename(file, next);
  if (result < 0) return result;
  Text name = base_of(next.text());
  result = symlink(name.data, fresh);
  return result < 0 ? result : rename(fresh, middle);
}

// The first link(): the file moves to its hidden name. `middle` is made, with one link.
long hide(const Step& step, const Resolved& found, HostPath& middle) {
  Text path = found.host.text(), name = base_of(path);
  for (uint32_t number = 1; number <= kMostLinks; ++number) {
    middle.assign(path.first(path.size - name.size));
    middle.append(kPrefix);
    middle.append(name);
    append_digits(middle, number);
    HostPath file;
    file.assign(middle.text());
    file.append(".");
    append_digits(file, 1);
    long result = symlink(base_of(file.text()).data, middle);
    if (result == -EEXIST) continue;
    if (result == 0) result = rename(found.host, file);
    if (result < 0) {
      unlink(middle);
      return result;
    }
    GuestPath text;
    Text guest = found.guest.text();
    text.assign(guest.first(guest.size - base_of(guest).size));
    text.append(base_of(middle.text()));
    result = symlink(text.c_str(), found.host);
    if (result < 0) {
      rename(file, found.host);
      unlink(middle);
    }
    note_change(step.task.place.shared, guest);
    return result;
  }
  return -EMLINK;
}

}  // namespace

bool is_kept_link(const Step& step, const HostPath& link, HostPath& middle) {
  if (!step.view().has(kLinkToSymlink)) return false;
  HostPath text;
  if (!read_link(link, text) || text.text()[0] != '/' || !hidden(base_of(text.text()))) return false;
  guest_to_host(step.view(), text.text(), middle);
  return true;
}

uint32_t kept_links(const Step& step, const HostPath& file) {
  return step.view().has(kLinkToSymlink) ? count_in(file.text()) : 0;
}

void make_kept_link(const Step& step) {
  Task& task = step.task;
  sys::Stat stat;
  long result = sys::lstat(task.first.host.c_str(), &stat);
  if (result < 0) return step.answer(result);
  if ((stat.mode & sys::kTypeMask) == sys::kTypeDir) return step.answer(-EPERM);
  sys::Stat other;
  if (sys::lstat(task.second.host.c_str(), &other) == 0) return step.answer(-EEXIST);
  HostPath middle, text;
  if ((stat.mode & sys::kTypeMask) == sys::kTypeLink) {
    // Another name of a symbolic link is a copy of it.
    if (!read_link(task.first.host, text)) return step.answer(-EIO);
    if (!is_kept_link(step, task.first.host, middle)) return step.answer(symlink(text.c_str(), task.second.host));
  } else {
    result = hide(step, task.first, middle);
    if (result < 0) return step.answer(result);
    if (!read_link(task.first.host, text)) return step.answer(-EIO);
  }
  HostPath file;
  if (!file_of(middle, file)) return step.answer(-ENOENT);
  result = symlink(text.c_str(), task.second.host);
  if (result == 0) result = set_count(middle, file, count_in(file.text()) + 1);
  note_change(task.place.shared, task.second.guest.text());
  step.answer(result);
}

void drop_kept_link(const HostPath& middle) {
  HostPath file;
  if (file_of(middle, file)) set_count(middle, file, count_in(file.text()) - 1);
}

bool remove_kept_link(const Step& step, const HostPath& link) {
  HostPath middle;
  if (!is_kept_link(step, link, middle)) return false;
  long result = unlink(link);
  if (result == 0) drop_kept_link(middle);
  step.answer(result);
  return true;
}

bool rename_over_kept_link(const Step& step) {
  Task& task = step.task;
  HostPath middle, other;
  if (!is_kept_link(step, task.second.host, middle)) return false;
  if (is_kept_link(step, task.first.host, other) && other.text() == middle.text()) {
    step.answer(0);  // two names of one file: nothing happens
    return true;
  }
  uint32_t flags = step.row.flags >= 0 ? static_cast<uint32_t>(step.call.arg[step.row.flags]) : 0;
  if (flags) return false;  // exchanged or refused by the kernel
  long result = rename(task.first.host, task.second.host);
  if (result == 0) drop_kept_link(middle);
  step.answer(result);
  return true;
}

// Entries as getdents64 gives them: the type of a symbolic link is left open, and hidden names go (-H).
long show_kept_links(Task& task, const Call& call, long result) {
  constexpr size_t kType = 18, kName = 19;
  constexpr char kLink = 10;
  bool hides = task.place.view->has(kHideLinks);
  long last = -1;  // the entry before
  for (long at = 0; at < result;) {
    // Entry by entry: the buffer may be larger than ours.
    char head[kName + 8] = {};
    uint16_t size = 0;
    auto rest = static_cast<size_t>(result - at);
    if (task.memory->read(call.arg[1] + static_cast<uint64_t>(at), head, rest < sizeof head ? rest : sizeof head) < 0) return result;
    __builtin_memcpy(&size, head + 16, 2);
    if (size < kName) return result;
    if (head[kType] == kLink) {
      char unknown = 0;
      if (task.memory->write(call.arg[1] + static_cast<uint64_t>(at) + kType, &unknown, 1) < 0) return result;
    }
    bool drop = hides && last >= 0 && hidden({head + kName, 6});
    if (drop) {
      uint16_t before = 0;
      uint64_t place = call.arg[1] + static_cast<uint64_t>(last) + 16;
      if (task.memory->read(place, &before, 2) < 0 || before + size > 0xffff) return result;
      before = static_cast<uint16_t>(before + size);
      if (task.memory->write(place, &before, 2) < 0) return result;
    } else {
      last = at;
    }
    at += size;
  }
  return result;
}

}  // namespace udocker::guest
