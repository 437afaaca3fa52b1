// host: runs another OCI runtime of this host (runc, crun, runsc) on a bundle that exists only meanwhile.
#include "embedded/launcher/commands.hpp"
#include "embedded/launcher/container.hpp"
#include "embedded/launcher/supervise.hpp"
#include "embedded/launcher/view.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/wait.h>
#include <unistd.h>

namespace udocker::launcher {

std::string read_config(const std::string& from) {
  int fd = from == "-" ? 0 : -1;
  if (from.starts_with("fd:")) {
    auto number = parse_number(std::string_view(from).substr(3));
    if (!number) throw UsageError(cat("--config: ", printable(from), " is not a descriptor"));
    fd = static_cast<int>(*number);
  }
  if (fd < 0) return load_file(from);
  std::string text;
  char buffer[16384];
  for (std::size_t got; (got = read_full(fd, buffer, sizeof buffer, "configuration")) > 0;) text.append(buffer, got);
  if (fd > 2) ::close(fd);
  return text;
}

namespace {

constexpr cli::Option kOptions[] = {
    {"--config", "FILE", "configuration; - for standard input, fd:N for a descriptor"},
    {"--tmp-dir", "DIR", "where the bundle is made"},
};

// Other runtimes create missing mount points in the root: remembered here, and removed when they are still empty.
class MountPoints {
 public:
  explicit MountPoints(const oci::Config& config) : root_(config.root_path) {
    View view(config.root_path, look_at_host);
    for (const auto& mount : config.mounts) {
      Place place = view.resolve(mount.destination, false);
      if (place.kind != Kind::missing || place.behind != Behind::host || place.base_host.empty()) continue;
      std::string path = place.base_host;
      for (const auto& part : place.missing) made_.push_back(path += cat("/", part));
    }
  }
  ~MountPoints() {
    std::ranges::sort(made_, std::greater<>());
    for (const auto& path : made_) {
      Entry entry = look_at_host(path);
      if (entry.kind == Kind::directory) ::rmdir(path.c_str());
      else if (entry.kind == Kind::file && load_file(path, 1 << 20).empty()) ::unlink(path.c_str());
    }
  }
  MountPoints(const MountPoints&) = delete;
  MountPoints& operator=(const MountPoints&) = delete;

 private:
  std::string root_;
  std::vector<std::string> made_;
};

int run_host(const Global& global, const cli::Arguments& args) {
  const std::string& program = args.word(0, "the runtime's path");
  const std::string& id = args.word(1, "a container ID");
  args.at_most(2);
  std::string text = read_config(args.value_or("config", "-"));
  oci::Config config = oci::parse_config(text, "config.json");
  TempDir bundle(args.value_or("tmp-dir", "/tmp"), "udocker-oci");
  make_file(bundle.path() + "/config.json", text, 0600);
  MountPoints points(config);
  std::string name = path_basename(program);
  std::vector<std::string> words = {program};
  if (global.debug) words.push_back("--debug");
  if (name.starts_with("runsc")) words.insert(words.end(), {"--network=host", "--ignore-cgroups", "--rootless"});
  words.insert(words.end(), {"--root", bundle.path(), "run", "--bundle", bundle.path(), cat(id, "-", ::getpid())});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  sigset_t mask = block_signals(true);
  pid_t child = ::fork();
  if (child < 0) throw_errno("start", program);
  if (child == 0) {
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  Supervision supervision;
  supervision.child = child;
  supervision.forward_terminal_signals = false;
  int status = supervise(supervision);
  if (status == 127 && !path_exists(program)) throw Error(cat("cannot execute ", program), 127);
  return status;
}

}  // namespace

const Command command_host{"host", "host [options] RUNTIME ID", "run another runtime of this host on a bundle made for it", kOptions, run_host};

}  // namespace udocker::launcher
