// Copying one open file: shared blocks where the file system can, else inside the kernel, else by hand; holes stay.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/stat.h>

namespace udocker::ops {

// What was found out about the file systems; shared by all threads of one copy.
struct CopyAbilities {
  std::atomic<bool> share{true}, in_kernel{true};
  std::atomic<std::uint64_t> shared{0};  // files whose blocks are shared
};

class FileCopier {
 public:
  explicit FileCopier(CopyAbilities& abilities);
  // `status` is that of `from`, `shown` its name for messages; `to` is empty. A file that becomes shorter meanwhile is
  // copied as it is then. Throws SystemError.
  void content(int from, int to, const struct stat& status, const std::string& shown);
  // Extended attributes, those that we may read and set.
  void attributes(int from, int to);

 private:
  void range(int from, int to, std::uint64_t at, std::uint64_t length, const std::string& shown);

  CopyAbilities& abilities_;
  std::vector<char> buffer_;
};

}  // namespace udocker::ops
