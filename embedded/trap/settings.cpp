#include "embedded/trap/settings.hpp"

#include "embedded/trap/runtime/abi.hpp"
#include "host/blob.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace udocker::trap {
namespace {

// The kernel refuses to execute files of noexec mounts although their mode allows it; access() knows.
bool can_execute(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

// Since Linux 6.13; a profile may refuse what it does not know.
bool has_xattr_at() {
  constexpr long kGetxattrat = 464;
  return ::syscall(kGetxattrat, AT_FDCWD, "/", 0, "user.none", nullptr, 0) < 0 && errno == EINVAL;
}

std::string path_of(int fd) { return cat("/proc/", std::to_string(::getpid()), "/fd/", std::to_string(fd)); }

}  // namespace

RuntimeFile unpack_runtime(const std::string& folder) {
  std::string_view runtime = host::blob::trap_runtime();
  if (runtime.empty()) throw NotSupported("this build carries no trap runtime", "use execution mode P1");
  if (!folder.empty()) {
    std::string path = cat(folder, "/trap-runtime-", host::blob::trap_runtime_digest());
    try {
      if (!host::blob::is_kept_at(path, runtime) && (!is_regular(path) || load_file(path) != runtime)) {
        make_directories(folder);
        make_file(path, runtime, 0755);
      }
      if (can_execute(path)) return {path, {}};
    } catch (const Error& error) {
      log::debug("trap", cat("the runtime is kept in memory: ", error.what()));
    }
  }
  UniqueFd memory(::memfd_create("udocker-trap", MFD_CLOEXEC));
  if (!memory) throw_errno("create", "a file in memory");
  write_all(memory.get(), runtime, "a file in memory");
  ::fchmod(memory.get(), 0755);
  std::string path = path_of(memory.get());
  if (!can_execute(path))
    throw NotSupported(cat("no folder allows to execute files and /proc/PID/fd cannot be used"), "use execution mode P1");
  return {path, std::move(memory)};
}

const guest::View& Shared::view() const {
  auto* settings = static_cast<const Settings*>(base);
  return *reinterpret_cast<const guest::View*>(static_cast<const char*>(base) + settings->view_at);
}

Shared make_shared(const std::vector<char>& view, const std::string& runtime, const std::string& cache, int root_fd) {
  Shared out;
  out.memory = UniqueFd(::memfd_create("udocker-container", MFD_CLOEXEC));
  if (!out.memory) throw_errno("create", "a file in memory");
  out.path = path_of(out.memory.get());
  auto& shown = *reinterpret_cast<const guest::View*>(view.data());
  auto filter = make_filter(shown, cache.empty() ? Patch::no : Patch::yes, root_fd);
  auto query = make_query_filter();

  Settings settings{};
  std::size_t size = sizeof settings;
  auto place = [&](std::size_t bytes) {
    std::size_t at = (size + 63) & ~std::size_t{63};
    size = at + bytes;
    return static_cast<std::uint32_t>(at);
  };
  settings.magic = kMagic;
  settings.root_fd = root_fd;
  if (!cache.empty()) settings.flags |= kPatch;
  if (has_xattr_at()) settings.flags |= kXattrAt;
  settings.filter_at = place(filter.size() * sizeof filter[0]);
  settings.filter_count = static_cast<std::uint32_t>(filter.size());
  settings.query_filter_at = place(query.size() * sizeof query[0]);
  settings.query_filter_count = static_cast<std::uint32_t>(query.size());
  settings.path_at = place(out.path.size() + 1);
  settings.runtime_at = place(runtime.size() + 1);
  settings.cache_at = place(cache.size() + 1);
  settings.view_at = place(view.size());
  size = (size + 4095) & ~std::size_t{4095};
  settings.plain_at = place(kPlainFiles * sizeof(std::uint64_t));
  settings.shared_at = place(sizeof(guest::Shared));
  size = (size + 4095) & ~std::size_t{4095};
  if (!cache.empty()) settings.window_at = place(kStubWindow);
  if (size > kSettingsSpan) throw Error("the container's settings are too long");
  settings.size = static_cast<std::uint32_t>(size);

  if (::ftruncate(out.memory.get(), static_cast<off_t>(size))) throw_errno("size", "a file in memory");
  out.base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, out.memory.get(), 0);
  if (out.base == MAP_FAILED) throw_errno("map", "a file in memory");
  auto put = [&](std::uint32_t at, const void* data, std::size_t bytes) {
    std::memcpy(static_cast<char*>(out.base) + at, data, bytes);
  };
  put(0, &settings, sizeof settings);
  put(settings.filter_at, filter.data(), filter.size() * sizeof filter[0]);
  put(settings.query_filter_at, query.data(), query.size() * sizeof query[0]);
  put(settings.path_at, out.path.c_str(), out.path.size() + 1);
  put(settings.runtime_at, runtime.c_str(), runtime.size() + 1);
  put(settings.cache_at, cache.c_str(), cache.size() + 1);
  put(settings.view_at, view.data(), view.size());
  return out;
}

}  // namespace udocker::trap
