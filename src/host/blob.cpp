#include "host/blob.hpp"

#include <sys/stat.h>
#include <unistd.h>

#define UDOCKER_BLOB(name)                                                          \
  extern "C" const char udocker_blob_##name[], udocker_blob_##name##_end[], udocker_blob_##name##_digest[16]; \
  namespace udocker::host::blob {                                                   \
  std::string_view name() {                                                         \
    return {udocker_blob_##name, static_cast<std::size_t>(udocker_blob_##name##_end - udocker_blob_##name)}; \
  }                                                                                 \
  }

UDOCKER_BLOB(preload)
UDOCKER_BLOB(trap_runtime)
UDOCKER_BLOB(busybox)
UDOCKER_BLOB(ca_bundle)
UDOCKER_BLOB(licences)

namespace udocker::host::blob {

std::string_view preload_digest() { return {udocker_blob_preload_digest, sizeof udocker_blob_preload_digest}; }
std::string_view trap_runtime_digest() { return {udocker_blob_trap_runtime_digest, sizeof udocker_blob_trap_runtime_digest}; }

bool is_kept_at(const std::string& path, std::string_view blob) {
  struct stat st;
  return ::lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == ::geteuid() || st.st_uid == 0) &&
         (st.st_mode & 022) == 0 && static_cast<std::size_t>(st.st_size) == blob.size();
}

}  // namespace udocker::host::blob
