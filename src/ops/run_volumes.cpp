#include "ops/run_options.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>

namespace udocker::ops {

using engine::Access;
using engine::Bind;

void refuse_run(std::string message) { throw Error(std::move(message), 2); }

namespace {

// Option words docker accepts after the second colon; all but ro and rw describe labels or propagation.
bool is_volume_options(std::string_view text) {
  static const char* const known[] = {"ro", "rw", "z", "Z", "shared", "slave", "private", "rshared", "rslave", "rprivate",
                                      "nocopy", "consistent", "cached", "delegated", "exec", "noexec", "suid", "nosuid"};
  if (text.empty()) return false;
  for (const auto& word : split(text, ','))
    if (std::find(std::begin(known), std::end(known), word) == std::end(known)) return false;
  return true;
}

std::string clean(const std::string& path) { return path.starts_with('/') ? engine::normal_guest_path(path) : path; }

}  // namespace

Bind parse_volume(const std::string& text) {
  std::string rest = text;
  Bind bind;
  auto last = rest.rfind(':');
  if (last != std::string::npos && last > 0 && is_volume_options(rest.substr(last + 1))) {
    for (const auto& word : split(rest.substr(last + 1), ','))
      if (word == "ro") bind.access = Access::read_only;
    rest.resize(last);
  }
  auto colon = rest.find(':');
  bind.host = clean(rest.substr(0, colon));
  bind.guest = colon == std::string::npos || colon + 1 == rest.size() ? bind.host : clean(rest.substr(colon + 1));
  if (!bind.host.starts_with('/') || !path_exists(bind.host))
    refuse_run(cat("invalid host volume path: ", printable(bind.host)));
  if (!bind.guest.starts_with('/') || bind.guest == "/")
    refuse_run(cat("invalid container volume path: ", printable(bind.guest)));
  return bind;
}

std::vector<Bind> plan_volumes(const RunOptions& options, const config::Settings& settings, engine::Family family,
                               const std::string& home) {
  struct Wanted {
    std::string text;
    bool optional = false;
    bool listed = true;
  };
  std::vector<Wanted> texts;
  for (const auto& volume : options.volumes) texts.push_back({volume});
  if (!options.no_sysdirs) {
    bool isolated = family == engine::Family::launcher || family == engine::Family::apptainer;
    for (const auto& dir : settings.sysdirs_list) {
      bool kernel_dir = dir == "/dev" || dir == "/proc" || dir == "/sys" || dir == "/lib/modules";
      if (isolated && kernel_dir && !(family == engine::Family::apptainer && dir == "/lib/modules")) continue;
      texts.push_back({dir, true, false});
    }
    texts.push_back({"/etc/hosts", true, false});
  }
  // Where the host's /dev is shown a device needs nothing; the launcher has a /dev of its own and takes them apart.
  if (family != engine::Family::launcher)
    for (const auto& device : options.devices) {
      if (!device.starts_with('/')) continue;  // a name in a CDI file
      auto parts = split(device, ':');
      std::string guest = parts.size() > 1 && parts[1].starts_with('/') ? parts[1] : parts[0];
      if (options.no_sysdirs || guest != parts[0]) texts.push_back({cat(parts[0], ":", guest)});
    }
  if (options.dri)
    for (const auto& dir : settings.dri_list) texts.push_back({dir, true});
  if (options.bind_home && !home.empty() && home != "/") texts.push_back({home, true});
  for (const auto& unwanted : options.no_volumes) {
    auto before = texts.size();
    std::erase_if(texts, [&](const Wanted& wanted) {
      return wanted.text == unwanted || clean(wanted.text.substr(0, wanted.text.find(':'))) == clean(unwanted);
    });
    if (texts.size() == before) log::warning(cat("--novol ", printable(unwanted), " not in volumes list"));
  }
  std::vector<Bind> binds;
  for (const auto& [text, optional, listed] : texts) {
    if (optional && !path_exists(text.substr(0, text.find(':')))) continue;
    Bind bind = parse_volume(text);
    // What helps names to be resolved, and the kernel's modules: as with PRoot, to be opened but not seen by `ls`.
    bind.listed = listed || bind.guest.rfind('/') == 0;
    bool taken = std::any_of(binds.begin(), binds.end(), [&](const Bind& other) { return other.guest == bind.guest; });
    if (!taken) binds.push_back(std::move(bind));
  }
  return binds;
}

void apply_mpi(RunOptions& options) {
  options.host_env = options.pid_of_host = options.ipc_of_host = true;
  if (options.user.empty() && !options.container_auth) {
    options.host_auth = true;
    options.user = host::current_user().name;  // servers of PMIx refuse a task that says it is another user
  }
  auto show = [&](const char* path) {
    if (!path || *path != '/' || !path_exists(path)) return;
    bool covered = std::any_of(options.volumes.begin(), options.volumes.end(), [&](const std::string& text) {
      std::string host = clean(text.substr(0, text.find(':')));
      return text.find(':') == text.npos && starts_with_word(clean(path), host);
    });
    if (!covered && clean(path) != "/") options.volumes.push_back(path);
  };
  show("/tmp");
  for (const char* name : {"TMPDIR", "PMIX_SERVER_TMPDIR", "PMIX_SYSTEM_TMPDIR", "SLURM_TMPDIR", "XDG_RUNTIME_DIR"}) show(std::getenv(name));
  for (const char* path : {"/run/munge", "/var/run/palsd", "/var/spool/slurmd"}) show(path);
  if (!options.workdir.empty()) return;
  std::string here = real_path(".");
  show(here.c_str());
  options.workdir = here;
}

engine::Port parse_port(const std::string& text) {
  std::string plain = text.substr(0, text.find('/'));
  auto parts = split(plain, ':');
  auto bad = [&]() { refuse_run(cat("invalid port mapping: ", printable(text), " (expected [ip:]host_port:container_port)")); };
  if (parts.size() > 3) bad();
  auto container = parse_number(parts.back());
  auto host = parts.size() == 1 ? container : parse_number(parts[parts.size() - 2]);
  if (!container || !host || *container > 65535 || *host > 65535 || *container == 0) bad();
  return {static_cast<int>(*host), static_cast<int>(*container)};
}

}  // namespace udocker::ops
