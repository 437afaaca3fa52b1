#include "host/self.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cstdlib>

#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

namespace udocker::host {

std::string self_path() {
  if (auto link = find_link("/proc/self/exe"); link && path_exists(*link)) return *link;
  if (auto name = reinterpret_cast<const char*>(::getauxval(AT_EXECFN)); name && *name) {
    std::string path = absolute_path(name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  if (path_exists("/proc/self/exe")) return "/proc/self/exe";  // started from a memfd or since deleted
  throw NotSupported("cannot find this program's own file", "mount /proc or start it by its absolute path");
}

bool inside_trap_engine() {
  unsigned char resident;
  return ::mincore(reinterpret_cast<void*>(kTrapSettingsAt), 4096, &resident) == 0;
}

bool has_trap_addresses() {
  constexpr std::size_t kSize = 4096;
  auto* behind = reinterpret_cast<void*>(kTrapSettingsAt + (1ul << 28));
  void* got = ::mmap(behind, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got != MAP_FAILED) ::munmap(got, kSize);
  return got == behind;
}

void require_proc() {
  if (::access("/proc/self/fd", F_OK) != 0)
    throw NotSupported("running a container needs /proc, and it is not mounted here", "mount it, or enter a place that has it");
}

std::vector<std::string> environment() {
  std::vector<std::string> out;
  for (char** entry = environ; entry && *entry; ++entry) out.emplace_back(*entry);
  return out;
}

static std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

void set_environment(std::vector<std::string> texts) {
  static std::vector<std::string> held;
  static std::vector<char*> entries;
  held = std::move(texts);
  entries = pointers(held);
  environ = entries.data();
}

void exec_program(const std::string& path, const std::vector<std::string>& args,
                  const std::vector<std::string>& environment) {
  log::flush();
  auto argv = pointers(args), envp = pointers(environment);
  ::execve(path.c_str(), argv.data(), envp.data());
  throw_errno("execute", path);
}

void exec_self(const std::vector<std::string>& args, const std::vector<std::string>& environment) {
  exec_program(self_path(), args, environment);
}

}  // namespace udocker::host
