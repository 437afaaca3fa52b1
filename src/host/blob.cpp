#include "host/blob.hpp"

#define UDOCKER_BLOB(name)                                                          \
  extern "C" const char udocker_blob_##name[], udocker_blob_##name##_end[];         \
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
