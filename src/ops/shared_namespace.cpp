#include "ops/shared_namespace.hpp"

#include "store/lock.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <chrono>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

// The namespace of the container that process `launcher` runs: its child's, once that has its ids mapped.
std::string namespace_below(long launcher, const std::string& ours) {
  std::string base = cat("/proc/", launcher);
  for (const auto& child : split_words(find_file(cat(base, "/task/", launcher, "/children")).value_or(""))) {
    std::string path = cat("/proc/", child, "/ns/user");
    auto link = find_link(path);
    bool is_mapped = !trim(find_file(cat("/proc/", child, "/uid_map")).value_or("")).empty();
    if (link && *link != ours && is_mapped) return path;
  }
  return "";
}

bool is_own_file(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == ::geteuid() && !(st.st_mode & 022);
}

}  // namespace

std::string join_or_offer_user_namespace(const std::string& dir, const std::string& key) {
  std::string file = cat(dir, "/.udocker-userns-", ::geteuid(), "-", sha256_hex(key).substr(0, 16));
  std::string ours = find_link("/proc/self/ns/user").value_or("");
  store::Lock lock = store::Lock::take(file + ".lock");
  if (is_own_file(file)) {
    auto owner = store::Owner::parse(load_file(file));
    // It starts its container right after it let go of the lock.
    for (int tries = 0; owner && tries < 300 && owner->may_live(std::chrono::seconds(0)); ++tries) {
      if (std::string path = namespace_below(owner->pid, ours); !path.empty()) return path;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  make_file(file, store::Owner::self().text(), 0600);
  return "";
}

}  // namespace udocker::ops
