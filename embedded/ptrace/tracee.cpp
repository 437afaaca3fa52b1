#include "embedded/ptrace/tracee.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "embedded/ptrace/exec.hpp"
#include "embedded/ptrace/guest_tracing.hpp"

namespace udocker::ptrace {

Tracee::Tracee(pid_t id) : tid(id), tgid(id) {}

Tracee::~Tracee() {
  if (slot >= 0 && space) space->scratch_used &= ~(uint64_t{1} << slot);
}

void TraceeMemory::attach(pid_t tid, uint64_t stack, uint64_t slot) {
  constexpr uint64_t kRedZone = 256;
  tid_ = tid;
  stack_ = stack;
  downwards_ = slot == 0;
  next_ = downwards_ ? (stack - kRedZone) & ~uint64_t{15} : slot;
}

uint64_t TraceeMemory::place_for(size_t size) {
  uint64_t rounded = (size + 15) & ~uint64_t{15};
  if (downwards_) return next_ -= rounded;
  uint64_t place = next_;
  next_ += rounded;
  return place;
}

// Also reaches pages that the kernel must first add to the stack, and works where process_vm_* is forbidden. It ignores
// page protection, so it is not used for writes elsewhere.
long TraceeMemory::transfer_by_file(bool writing, uint64_t address, void* data, size_t size) {
  char name[40];
  std::snprintf(name, sizeof name, "/proc/%d/mem", tid_);
  int fd = ::open(name, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (fd < 0) return -EFAULT;
  auto offset = static_cast<off_t>(address);
  ssize_t done = writing ? ::pwrite(fd, data, size, offset) : ::pread(fd, data, size, offset);
  ::close(fd);
  return done == static_cast<ssize_t>(size) ? 0 : -EFAULT;
}

long TraceeMemory::transfer(bool writing, uint64_t address, void* data, size_t size) {
  iovec local{data, size}, remote{reinterpret_cast<void*>(address), size};
  ssize_t done = writing ? ::process_vm_writev(tid_, &local, 1, &remote, 1, 0)
                         : ::process_vm_readv(tid_, &local, 1, &remote, 1, 0);
  if (done == static_cast<ssize_t>(size)) return 0;
  constexpr uint64_t kGrowth = 1 << 23;
  bool may_grow = address <= stack_ && stack_ - address < kGrowth;
  if (done >= 0 || (errno == EFAULT && !(writing && may_grow))) return -EFAULT;
  return transfer_by_file(writing, address, data, size);
}

long TraceeMemory::read(uint64_t address, void* out, size_t size) {
  return size ? transfer(false, address, out, size) : 0;
}

long TraceeMemory::write(uint64_t address, const void* data, size_t size) {
  return size ? transfer(true, address, const_cast<void*>(data), size) : 0;
}

long TraceeMemory::read_text(uint64_t address, char* out, size_t capacity) {
  constexpr size_t kFirst = 192, kPage = 4096;
  size_t have = 0;
  while (have < capacity) {
    size_t to_page_end = kPage - (address + have) % kPage;
    size_t size = std::min({to_page_end, have ? kPage : kFirst, capacity - have});
    long result = transfer(false, address + have, out + have, size);
    if (result < 0) return result;
    if (auto* end = static_cast<char*>(std::memchr(out + have, '\0', size))) return end - out;
    have += size;
  }
  return -ENAMETOOLONG;
}

}  // namespace udocker::ptrace
