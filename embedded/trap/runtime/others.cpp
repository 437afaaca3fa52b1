// What other processes run: their /proc/PID/exe names the runtime, so the file mapped where their code starts is it.
#include "embedded/trap/runtime/dispatch.hpp"
#include "embedded/trap/runtime/process.hpp"

#include <linux/fcntl.h>

namespace udocker::trap {
namespace {

constexpr size_t kBuffer = 16 * 1024;
constexpr int kStartCodeField = 26;

void proc_path(guest::HostPath& out, int pid, guest::Text name) {
  out.assign("/proc/");
  out.append_number(static_cast<uint64_t>(pid));
  out.append(name);
}

uint64_t read_number(const char*& at, unsigned base) {
  uint64_t value = 0;
  for (;; ++at) {
    unsigned digit = *at >= '0' && *at <= '9' ? static_cast<unsigned>(*at - '0') : *at >= 'a' && *at <= 'f' ? static_cast<unsigned>(*at - 'a') + 10 : 99;
    if (digit >= base) return value;
    value = value * base + digit;
  }
}

// Field 26 of /proc/PID/stat; 0 when it cannot be had.
uint64_t start_of_code(int pid, guest::HostPath& path, char* buffer) {
  proc_path(path, pid, "/stat");
  long fd = guest::sys::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (failed(fd)) return 0;
  long size = call(__NR_read, fd, address(buffer), 4095);
  guest::sys::close(static_cast<int>(fd));
  if (size <= 0) return 0;
  buffer[size] = '\0';
  const char* at = buffer + size;
  while (at > buffer && *at != ')') --at;
  for (int field = 2; field < kStartCodeField && *at; ++at)
    if (*at == ' ') ++field;
  return read_number(at, 10);
}

// The path on the line of /proc/PID/maps that holds `place`.
bool mapped_file(int pid, uint64_t place, guest::HostPath& path, char* buffer) {
  proc_path(path, pid, "/maps");
  long fd = guest::sys::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (failed(fd)) return false;
  size_t kept = 0;
  bool found = false;
  while (!found) {
    long size = call(__NR_read, fd, address(buffer + kept), static_cast<long>(kBuffer - 1 - kept));
    if (size <= 0) break;
    size_t end = kept + static_cast<size_t>(size), line = 0;
    for (size_t at = 0; at < end; ++at) {
      if (buffer[at] != '\n') continue;
      const char* text = buffer + line;
      uint64_t low = read_number(text, 16);
      uint64_t high = read_number(++text, 16);
      if (place >= low && place < high) {
        while (text < buffer + at && *text != '/') ++text;
        path.assign({text, static_cast<size_t>(buffer + at - text)});
        found = true;
        break;
      }
      line = at + 1;
    }
    kept = end - line;
    __builtin_memmove(buffer, buffer + line, kept);
    if (kept == kBuffer - 1) break;
  }
  guest::sys::close(static_cast<int>(fd));
  return found && !path.empty();
}

}  // namespace

bool program_of(void* context, int pid, guest::GuestPath& out) {
  if (pid == owner_pid()) {
    out.assign(me().program);
    return true;
  }
  auto* slot = static_cast<Slot*>(context);
  char* memory = slot_extra(slot, kBuffer + sizeof(guest::HostPath));
  if (!memory) return false;
  auto& path = *reinterpret_cast<guest::HostPath*>(memory);
  path.clear();
  char* buffer = memory + sizeof(guest::HostPath);
  uint64_t place = start_of_code(pid, path, buffer);
  return place > 1 && mapped_file(pid, place, path, buffer) && guest::host_to_guest(*me().view, path.text(), out);
}

}  // namespace udocker::trap
