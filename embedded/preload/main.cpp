// udocker-fakechroot: runs a program with ROOT as its file system by an object loaded into every process (F1 to F4).
#include "cli/applet.hpp"
#include "cli/view_options.hpp"
#include "elf/disk.hpp"
#include "embedded/preload/find_sites.hpp"
#include "embedded/preload/launch.hpp"
#include "guest/resolve.hpp"
#include "host/blob.hpp"
#include "host/self.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"
#include "util/zeroed.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker {
namespace {

using namespace udocker::preload;

constexpr int kNotRunnable = 126, kNotFound = 127;

constexpr const char* kOwnHelp =
    "\nOptions of this program:\n"
    "  --mode F1|F2|F3|F4     how programs are started: by their loader (F1, F2: with a loader that setup has\n"
    "                         changed), directly after setup has changed the tree (F3, F4: new files too)\n"
    "  --library-path DIRS    directories of the host with the guest's libraries, joined by ':'\n"
    "  --libraries-first DIR  a directory of the host to be searched before those\n"
    "  --lib-dir DIR          where the object that is loaded may be kept\n"
    "  --preload FILE         another object in its place\n"
    "  --patch-time SECONDS   F4: programs older than this need no look\n"
    "  --allow-static         let static programs run, although they will see the host's files\n"
    "  --refuse-static        do not run them under the trap engine either\n"
    "  --turned-links         the tree's absolute links hold host paths, as setup leaves them\n";

struct Options {
  cli::ViewOptions view;
  std::string mode = "F1", library_path, libraries_first, lib_dir, object;
  std::uint64_t patch_time = 0;
  bool allow_static = false, refuse_static = false, turned_links = false;
};

Options parse(const std::vector<std::string>& words) {
  Options options;
  std::vector<std::pair<std::string, std::string>> own;
  options.view = cli::parse_view_options(
      words, {"--mode=", "--library-path=", "--libraries-first=", "--lib-dir=", "--preload=", "--patch-time=", "--allow-static", "--refuse-static", "--turned-links"}, &own);
  for (const auto& [name, value] : own) {
    if (name.starts_with("--mode")) options.mode = value;
    else if (name.starts_with("--library-path")) options.library_path = value;
    else if (name.starts_with("--libraries-first")) options.libraries_first = value;
    else if (name.starts_with("--lib-dir")) options.lib_dir = value;
    else if (name.starts_with("--preload")) options.object = value;
    else if (name.starts_with("--patch-time")) options.patch_time = parse_number(value).value_or(0);
    else if (name.starts_with("--allow-static")) options.allow_static = true;
    else if (name.starts_with("--refuse-static")) options.refuse_static = true;
    else if (name.starts_with("--turned-links")) options.turned_links = true;
  }
  if (options.mode.size() != 2 || options.mode[0] != 'F' || options.mode[1] < '1' || options.mode[1] > '4')
    throw UsageError("--mode must be F1, F2, F3 or F4, not " + printable(options.mode));
  return options;
}

// The object as a file whose name holds its digest, so that several versions live side by side.
std::string place_object(const std::string& lib_dir) {
  const std::string_view content = host::blob::preload();
  if (content.empty()) throw NotSupported("this build carries no object for F modes", "give one with --preload");
  const std::string name = cat("libudocker-", host::blob::preload_digest(), ".so");
  std::vector<std::string> places;
  if (!lib_dir.empty()) places.push_back(lib_dir);
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/') places.push_back(cat(cache, "/udocker"));
  if (const char* home = std::getenv("HOME"); home && *home == '/') places.push_back(cat(home, "/.cache/udocker"));
  const char* tmp = std::getenv("TMPDIR");
  places.push_back(cat(tmp && *tmp == '/' ? tmp : "/tmp", "/udocker-", ::geteuid()));
  for (const std::string& place : places) {
    // Both separate the words of LD_PRELOAD.
    if (place.find_first_of(": ") != std::string::npos) continue;
    const std::string path = cat(place, "/", name);
    if (host::blob::is_kept_at(path, content)) return path;
    try {
      make_directories(place, 0700);
      make_file(path, content, 0644);
      if (::chmod(path.c_str(), 0644) == 0 && host::blob::is_kept_at(path, content)) return path;
    } catch (const SystemError& error) {
      log::debug("preload", error.what());
    }
  }
  throw Error("no directory for the object that F modes load: give one with --lib-dir");
}

// Where libraries usually are, as far as ROOT has it.
std::string usual_libraries(const std::string& root) {
  std::vector<std::string> found;
  std::string triplet = "x86_64-linux-gnu";
#if defined(__aarch64__)
  triplet = "aarch64-linux-gnu";
#endif
  for (const std::string& dir : {cat("/lib/", triplet), cat("/usr/lib/", triplet), std::string("/lib64"), std::string("/usr/lib64"),
                                 std::string("/lib"), std::string("/usr/lib"), std::string("/usr/local/lib")})
    if (is_directory(root + dir)) found.push_back(root + dir);
  return join(found, ":");
}

// Memory shared by all processes of the container: the first one keeps the descriptor, the others open it in /proc.
SharedMemory* make_shared_memory(Header& header) {
  header.main_pid = ::getpid();
  header.cache_fd = -1;
  const UniqueFd small(::memfd_create("udocker-view", MFD_CLOEXEC));
  if (!small || ::ftruncate(small.get(), sizeof(SharedMemory)) != 0) return nullptr;
  int fd = ::fcntl(small.get(), F_DUPFD, 200);
  if (fd < 0) fd = ::fcntl(small.get(), F_DUPFD, 10);
  struct stat st;
  if (fd < 0 || ::fstat(fd, &st) != 0) return nullptr;
  void* at = ::mmap(nullptr, sizeof(SharedMemory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return nullptr;
  header.cache_fd = fd;
  header.cache_inode = st.st_ino;
  return static_cast<SharedMemory*>(at);
}

// ROOT as a descriptor that all processes inherit: the kernel's walk of its own path is saved.
void open_root(Header& header, const std::string& root) {
  constexpr int kHigh = 201;
  header.root_fd = -1;
  const UniqueFd low(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat st;
  if (!low || ::fstat(low.get(), &st) != 0) return;
  header.root_device = st.st_dev;
  header.root_inode = st.st_ino;
  header.root_fd = ::fcntl(low.get(), F_DUPFD, kHigh);
}

// Whether a filter could be set: the kernel looks at the program's address first, so nothing changes.
bool seccomp_allowed() {
  return ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr) != 0 && errno == EFAULT;
}

class Starter {
 public:
  explicit Starter(const Options& options) : options_(options) {
    cli::ViewOptions view_options = options.view;
    view_options.host_links = true;
    std::string stand_ins;
    block_ = cli::make_view(view_options, &stand_ins);
    auto* view = reinterpret_cast<guest::View*>(block_.data());
    const guest::Text root = view->root();
    root_ = std::string(root.data, root.size);
    if (root_ == "/") throw UsageError("F modes need a root directory other than / (option -r)");
    context_.view = view;
    context_.header.flags = flags();
    context_.header.patch_time = options.patch_time;
    SharedMemory* shared = make_shared_memory(context_.header);
    if (shared) context_.shared = &shared->cache;
    open_root(context_.header, root_);
    fill_sizes(context_.header, *view);
    config_ = UDOCKER_PL_CONFIG;
    const std::size_t name = config_.size();
    config_.resize(name + encoded_size(context_.header));
    encode(config_.data() + name, context_.header, *view);
    if (config_.size() > 120 * 1024) throw Error("too many volumes for an F mode");
    context_.config = config_.c_str() + name;
    object_ = options.object.empty() ? place_object(options.lib_dir) : absolute_path(options.object);
    context_.preload = object_.c_str();
    libraries_ = options.library_path.empty() ? usual_libraries(root_) : options.library_path;
    if (!options.libraries_first.empty()) libraries_ = cat(kMark, options.libraries_first, ":", libraries_);
    context_.library_path = libraries_.c_str();
    if (shared) find_sites(libraries_, path_dirname(object_), shared->tables);
    self_ = host::self_path();
    context_.udocker = self_.c_str();
  }

  [[noreturn]] void run() {
    go_to(options_.view.workdir);
    std::vector<char*> argv, environment;
    std::vector<std::string> words = options_.view.argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<std::string> variables = host::environment();
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string last = words[0];
    long result = -ENOENT;
    for (const std::string& path : candidates(words[0], variables)) {
      last = path;
      result = with_program(
          context_, AT_FDCWD, path.c_str(), argv.data(), environment.data(), 0,
          [&](guest::Text program, const char* why) { refused_ = printable(std::string(program.data, program.size)) + why; },
          [](const Program& p) -> long {
            ::execve(p.file, p.argv, p.envp);
            return -errno;
          });
      if (result != -ENOENT && result != -ENOTDIR) break;
    }
    if (!refused_.empty())
      throw NotSupported(cat(refused_, ", which modes F1 to F4 cannot confine"),
                         "use a P or T mode, or allow it to see the host's files with --allow-static", kNotRunnable);
    const bool missing = result == -ENOENT || result == -ENOTDIR;
    throw Error(cat("cannot run ", printable(words[0]), ": ", std::strerror(static_cast<int>(-result))),
                missing ? kNotFound : kNotRunnable);
  }

 private:
  std::uint32_t flags() const {
    const char digit = options_.mode[1];
    return (digit <= '2' ? kThroughLoader : 0u) | (digit >= '2' ? kLoaderReal : 0u) | (digit == '4' ? kPatchAtExec : 0u) |
           (options_.allow_static ? kAllowStatic : 0u) | (options_.turned_links ? kTurnedLinks : 0u) |
           (options_.refuse_static || !seccomp_allowed() ? 0u : kTrapStatic);
  }

  static std::vector<std::string> candidates(const std::string& word, const std::vector<std::string>& variables) {
    if (word.find('/') != std::string::npos) return {word};
    std::string list = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const std::string& variable : variables)
      if (variable.starts_with("PATH=")) list = variable.substr(5);
    std::vector<std::string> paths;
    for (const std::string& dir : split(list, ':'))
      if (!word.empty()) paths.push_back(dir.empty() ? word : cat(dir, "/", word));
    return paths;
  }

  void go_to(const std::string& directory) {
    const auto work = make_zeroed<guest::Workspace>();
    const auto found = make_zeroed<guest::Resolved>();
    guest::Place place{};
    place.view = context_.view;
    place.pid = place.tid = ::getpid();
    place.self = true;
    std::string wanted = directory;
    if (wanted.empty()) {
      // The present one when it is in the view.
      if (guest::guest_of_descriptor(place, *work, AT_FDCWD, found->guest) == 0) return;
      wanted = "/";
    }
    const long result = guest::resolve(place, *work, AT_FDCWD, {wanted.data(), wanted.size()}, Follow::yes, *found);
    if (result < 0) throw SystemError("cannot change to directory", wanted, static_cast<int>(-result));
    if (::chdir(found->host.c_str()) != 0) throw_errno("cannot change to directory", wanted);
  }

  const Options& options_;
  std::vector<char> block_;
  std::string root_, config_, object_, libraries_, self_, refused_;
  Context context_{};
};

int fakechroot_main(int argc, char** argv) {
  const Options options = parse(std::vector<std::string>(argv + 1, argv + argc));
  if (options.view.show_help) {
    log::output(cat(cli::view_options_help("udocker-fakechroot"), kOwnHelp));
    return 0;
  }
  if (options.view.show_version) {
    log::output(cat("udocker-fakechroot ", UDOCKER_VERSION));
    return 0;
  }
  log::flush();
  Starter(options).run();
}

}  // namespace

extern const cli::Program program_preload{"udocker-fakechroot fakechroot",
                                          "run a program in a root directory by an object loaded into it (F modes)",
                                          fakechroot_main};

}  // namespace udocker
