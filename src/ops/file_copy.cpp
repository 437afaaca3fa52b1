#include "ops/file_copy.hpp"

#include "util/error.hpp"
#include "util/interrupt.hpp"

#include <algorithm>
#include <cerrno>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace udocker::ops {

constexpr std::size_t kBuffer = 256 << 10;

FileCopier::FileCopier(CopyAbilities& abilities) : abilities_(abilities), buffer_(kBuffer) {}

void FileCopier::content(int from, int to, const struct stat& status, const std::string& shown) {
  auto size = static_cast<std::uint64_t>(status.st_size);
  if (size == 0) return;
  if (abilities_.share) {
    if (::ioctl(to, FICLONE, from) == 0) {
      ++abilities_.shared;
      return;
    }
    abilities_.share = false;
  }
  bool has_holes = static_cast<std::uint64_t>(status.st_blocks) * 512 < size && size > 4096;
  if (!has_holes) return range(from, to, 0, size, shown);
  off_t end = 0;
  while (true) {
    off_t data = ::lseek(from, end, SEEK_DATA);
    if (data < 0) break;
    end = ::lseek(from, data, SEEK_HOLE);
    if (end < 0) throw_errno("read", shown);
    range(from, to, static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(end - data), shown);
  }
  if (errno != ENXIO) return range(from, to, 0, size, shown);
  if (::ftruncate(to, status.st_size) != 0) throw_errno("set size of the copy of", shown);
}

void FileCopier::range(int from, int to, std::uint64_t at, std::uint64_t length, const std::string& shown) {
  auto in = static_cast<off_t>(at), out = in;
  while (length > 0) {
    if (abilities_.in_kernel && length > kBuffer) {
      check_interrupt();
      ssize_t done = ::copy_file_range(from, &in, to, &out, std::min<std::uint64_t>(length, 1u << 30), 0);
      if (done == 0) return;
      if (done > 0) {
        length -= static_cast<std::uint64_t>(done);
        continue;
      }
      if (errno == ENOSPC || errno == EIO || errno == EDQUOT) throw_errno("copy", shown);
      abilities_.in_kernel = false;
    }
    ssize_t got = ::pread(from, buffer_.data(), std::min<std::uint64_t>(length, buffer_.size()), in);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read", shown);
    if (got == 0) return;
    for (ssize_t written = 0; written < got;) {
      ssize_t done = ::pwrite(to, buffer_.data() + written, static_cast<std::size_t>(got - written), out + written);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) throw_errno("write the copy of", shown);
      written += done;
    }
    in += got;
    out += got;
    length -= static_cast<std::uint64_t>(got);
  }
}

void FileCopier::attributes(int from, int to) {
  char names[4096];
  ssize_t size = ::flistxattr(from, names, sizeof names);
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::char_traits<char>::length(names + at)) + 1) {
    ssize_t length = ::fgetxattr(from, names + at, buffer_.data(), buffer_.size());
    if (length >= 0) ::fsetxattr(to, names + at, buffer_.data(), static_cast<std::size_t>(length), 0);
  }
}

}  // namespace udocker::ops
