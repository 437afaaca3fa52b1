#include "cli/view_options.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

#include "guest/view.hpp"
#include "host/self.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"
#include "util/zeroed.hpp"

namespace udocker::cli {

namespace {

constexpr const char* kRecommended[] = {"/etc/host.conf", "/etc/hosts",   "/etc/hosts.equiv",   "/etc/mtab",
                                        "/etc/netgroup",  "/etc/networks", "/etc/passwd",        "/etc/group",
                                        "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/localtime", "/dev",
                                        "/sys",           "/proc",        "/tmp",               "/run"};
constexpr const char* kSystem[] = {"/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf",
                                   "/dev",           "/sys",       "/proc",              "/tmp", "/run/shm"};

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  char* cwd = ::getcwd(nullptr, 0);
  if (!cwd) throw_errno("find the current directory", ".");
  std::string result = cat(cwd, "/", path);
  std::free(cwd);
  return result;
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

class Parser {
 public:
  Parser(const std::vector<std::string>& words, const std::vector<std::string>& engine_options,
         std::vector<std::pair<std::string, std::string>>* engine_values)
      : words_(words), engine_options_(engine_options), engine_values_(engine_values) {}

  ViewOptions run() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_];
      if (word == "--") {
        ++at_;
        break;
      }
      if (word.size() < 2 || word[0] != '-') break;
      ++at_;
      option(word);
    }
    out_.argv.assign(words_.begin() + static_cast<long>(at_), words_.end());
    return std::move(out_);
  }

 private:
  // The value of "-x value", "--name=value" and "--name value".
  std::string value(const std::string& word) {
    if (auto equals = word.find('='); word.starts_with("--") && equals != std::string::npos)
      return word.substr(equals + 1);
    if (at_ >= words_.size()) throw UsageError(cat("option ", printable(word), " needs a value"));
    return words_[at_++];
  }

  void option(const std::string& word) {
    std::string name = word.starts_with("--") ? word.substr(0, word.find('=')) : word;
    auto is = [&](auto... names) { return ((name == names) || ...); };
    if (is("-r", "--rootfs", "--root")) out_.root = absolute(value(word));
    else if (is("-R")) preset(value(word), kRecommended, std::size(kRecommended), false);
    else if (is("-S")) preset(value(word), kSystem, std::size(kSystem), true);
    else if (is("-b", "-m", "--bind", "--mount")) bind(value(word));
    else if (is("-q", "--qemu")) emulator(value(word));
    else if (is("-w", "--pwd", "--cwd")) out_.workdir = value(word);
    else if (is("-0", "--root-id")) fake_root();
    else if (is("-i", "--change-id")) change_id(value(word));
    else if (is("-k", "--kernel-release")) release(value(word));
    else if (is("-p", "--port")) port(value(word));
    else if (is("-n", "-P", "--netcoop")) out_.any_port = true;
    else if (is("-l", "--link2symlink")) out_.link_to_symlink = true;
    else if (is("-H", "--hidden-files")) out_.hide_links = true;
    else if (is("-v", "--verbose")) out_.verbosity = std::atoi(value(word).c_str());
    else if (is("-V", "--version", "--about")) out_.show_version = true;
    else if (is("-h", "--help", "--usage")) out_.show_help = true;
    else if (is("--kill-on-exit")) out_.kill_on_exit = true;
    else if (is("--host-links")) out_.host_links = true;
    else if (is("--argv0")) out_.argv0 = value(word);
    else if (is("--no-seccomp")) out_.seccomp = false;
    else if (is("--no-listener")) out_.listen = false;
    else if (is("--owners")) out_.owners = absolute(value(word));
    else if (is("--trust-owners")) out_.trust_owners = true;
    else if (is("--hostname")) out_.hostname = value(word);
    else engine_option(name, word);
  }

  void engine_option(const std::string& name, const std::string& word) {
    for (const auto& known : engine_options_) {
      bool takes = known.ends_with('=');
      if (name != (takes ? known.substr(0, known.size() - 1) : known)) continue;
      if (engine_values_) engine_values_->emplace_back(name, takes ? value(word) : "");
      return;
    }
    throw UsageError(cat("unknown option: ", printable(word)));
  }

  template <class List>
  void preset(const std::string& root, const List& paths, std::size_t count, bool root_id) {
    out_.root = absolute(root);
    for (std::size_t i = 0; i < count; ++i)
      if (::access(paths[i], F_OK) == 0) bind(paths[i]);
    if (const char* home = std::getenv("HOME"); home && *home == '/') bind(home);
    if (root_id) fake_root();
  }

  void fake_root() {
    out_.fake_root = true;
    out_.ids = {{0, 0}};
  }

  // Takes ":word", or the whole text "word", off the end.
  static bool take_end(std::string& text, std::string_view word) {
    if (text == word) {
      text.clear();
      return true;
    }
    if (text.size() <= word.size() || !text.ends_with(word) || text[text.size() - word.size() - 1] != ':') return false;
    text.erase(text.size() - word.size() - 1);
    return true;
  }

  void bind(const std::string& text) {
    ViewBind bind;
    auto colon = text.find(':');
    std::string host = text.substr(0, colon);
    std::string guest = colon == std::string::npos ? "" : text.substr(colon + 1);
    while (take_end(guest, "unlisted")) bind.listed = false;
    while (take_end(guest, "ro")) bind.read_only = true;
    while (take_end(guest, "rw") || take_end(guest, "z") || take_end(guest, "Z")) {
    }
    if (guest.ends_with('!')) {
      bind.keep_link = true;
      guest.pop_back();
    }
    if (host.ends_with('!')) {
      bind.keep_link = true;
      host.pop_back();
    }
    if (host.empty()) throw UsageError(cat("bind without a path: ", printable(text)));
    bind.host = without_trailing_slashes(absolute(host));
    bind.guest = without_trailing_slashes(guest.empty() ? bind.host : guest);
    if (!bind.guest.starts_with('/')) bind.guest = cat("/", bind.guest);
    out_.binds.push_back(std::move(bind));
  }

  void emulator(const std::string& text) {
    auto words = split_words(text);
    if (words.empty()) throw UsageError("option -q needs a command");
    const char* path = std::getenv("PATH");
    auto found = find_program(words[0], path ? path : "/usr/local/bin:/usr/bin:/bin");
    if (!found) throw UsageError(cat("no such emulator in PATH: ", printable(words[0]), " (Debian has them in qemu-user-static)"));
    out_.emulator = absolute(*found);
    out_.emulator_args.assign(words.begin() + 1, words.end());
  }

  static uint32_t id(const std::string& text, const std::string& whole) {
    auto number = parse_number(text);
    if (!number || *number >= 0xffffffffu) throw UsageError(cat("not uid:gid: ", printable(whole)));
    return static_cast<uint32_t>(*number);
  }

  void change_id(const std::string& text) {
    auto colon = text.find(':');
    if (colon == std::string::npos) throw UsageError(cat("not uid:gid: ", printable(text)));
    out_.ids = {{id(text.substr(0, colon), text), id(text.substr(colon + 1), text)}};
    out_.fake_root = out_.ids->first == 0;
  }

  // A release, or PRoot's full form \sysname\nodename\release\version\machine\domain\hwcap\ .
  void release(const std::string& text) {
    if (!text.starts_with('\\')) {
      out_.release = text;
      return;
    }
    auto fields = split(std::string_view(text).substr(1), '\\');
    if (fields.size() > 1) out_.hostname = fields[1];
    if (fields.size() > 2) out_.release = fields[2];
  }

  static uint16_t port_number(std::string_view text, const std::string& whole) {
    auto number = parse_number(text);
    if (!number || *number > 65535) throw UsageError(cat("not guest:host ports: ", printable(whole)));
    return static_cast<uint16_t>(*number);
  }

  void port(const std::string& text) {
    auto colon = text.find(':');
    std::string_view all = text;
    std::string_view host = colon == std::string::npos ? std::string_view() : all.substr(colon + 1);
    out_.ports.emplace_back(port_number(all.substr(0, colon), text), port_number(host, text));
  }

  const std::vector<std::string>& words_;
  const std::vector<std::string>& engine_options_;
  std::vector<std::pair<std::string, std::string>>* engine_values_;
  ViewOptions out_;
  std::size_t at_ = 0;
};

guest::Text text_of(const std::string& text) { return {text.data(), text.size()}; }

}  // namespace

ViewOptions parse_view_options(const std::vector<std::string>& words, const std::vector<std::string>& engine_options,
                               std::vector<std::pair<std::string, std::string>>* engine_values) {
  ViewOptions options = Parser(words, engine_options, engine_values).run();
  const char* no_seccomp = std::getenv("PROOT_NO_SECCOMP");
  if (no_seccomp && *no_seccomp && *no_seccomp != '0') options.seccomp = false;
  const char* tmp = std::getenv("PROOT_TMP_DIR");
  options.tmp_dir = tmp && *tmp == '/' ? tmp : "/tmp";
  return options;
}

std::string view_options_help(const std::string& program) {
  return cat("Usage: ", program, " [option ...] [command [argument ...]]\n\n",
             "  -r, --rootfs DIR            use DIR as the root of the command\n"
             "  -R DIR                      -r DIR with the usual binds (/dev /proc /sys /tmp /run, /etc/..., $HOME)\n"
             "  -S DIR                      -r DIR -0 with fewer binds, for installing packages\n"
             "  -b, -m, --bind HOST[:GUEST[:ro][:unlisted]]  show a file or directory of the host; unlisted: not in listings\n"
             "                              where ROOT lacks the name, which makes them faster\n"
             "  -w, --cwd DIR               working directory of the command\n"
             "  -0, --root-id               let the command believe it is root\n"
             "  -i, --change-id UID:GID     let the command believe it has these ids\n"
             "  -k, --kernel-release TEXT   show this kernel release\n"
             "  -p, --port GUEST:HOST       use port HOST where the command says GUEST\n"
             "  -n, --netcoop               ports that are not mapped become free ones\n"
             "  -q, --qemu COMMAND          run programs of another machine by this emulator\n"
             "  -l, --link2symlink          make hard links of symbolic links, where the file system has none\n"
             "  -H, --hidden-files          leave what -l hides (.l2s.*) out of listings\n"
             "      --owners FILE           remember owners, modes and devices of an emulated root here\n"
             "      --trust-owners          that file belongs to the root, although it may not look so\n"
             "      --hostname NAME         show this node name\n"
             "      --kill-on-exit          end what is left when the command ends\n"
             "      --no-seccomp            stop at every system call (also: PROOT_NO_SECCOMP=1)\n"
             "  -v LEVEL                    say more\n"
             "  -V, --version               print the version\n"
             "  -h, --help                  print this text\n");
}

namespace {

// Empty: stand-ins are needed and there is no place for them.
std::vector<char> try_view(const ViewOptions& options, const std::string& stand_ins) {
  std::vector<guest::MountSpec> mounts;
  std::vector<const ViewBind*> sources;
  for (const auto& bind : options.binds) {
    if (::access(bind.host.c_str(), F_OK) != 0 && errno != EACCES) {
      log::warning(cat("nothing to bind at ", printable(bind.host), ": ", std::strerror(errno)));
      continue;
    }
    uint16_t flags = bind.read_only ? guest::kMountReadOnly : 0;
    if (!bind.listed) flags |= guest::kMountNotListed;
    mounts.push_back({text_of(bind.host), text_of(bind.guest), flags});
    sources.push_back(&bind);
  }
  std::vector<guest::Port> ports;
  for (auto [from, to] : options.ports) ports.push_back({from, to});
  if (ports.size() > guest::kMaxPorts) throw Error(cat("more than ", guest::kMaxPorts, " ports to map"));
  guest::ViewSpec spec;
  spec.root = text_of(options.root);
  spec.mounts = mounts.data();
  spec.mount_count = mounts.size();
  spec.ports = ports.data();
  spec.port_count = ports.size();
  if (options.ids && (options.ids->first != ::geteuid() || options.ids->second != ::getegid() || options.fake_root))
    spec.flags |= guest::kFakeIds;
  if (options.fake_root) spec.flags |= guest::kFakeRoot;
  if (options.link_to_symlink) spec.flags |= guest::kLinkToSymlink;
  if (options.hide_links) spec.flags |= guest::kHideLinks;
  if (options.any_port) spec.flags |= guest::kAnyPort;
  if (options.host_links) spec.flags |= guest::kHostLinks;
  spec.uid = options.ids ? options.ids->first : ::geteuid();
  spec.gid = options.ids ? options.ids->second : ::getegid();
  spec.release = text_of(options.release);
  spec.hostname = text_of(options.hostname);
  spec.owners = text_of(options.owners);
  spec.emulator = text_of(options.emulator);
  spec.stand_ins = text_of(stand_ins);
  auto block = make_zeroed<std::array<char, guest::kViewCapacity>>();
  auto* view = reinterpret_cast<guest::View*>(block->data());
  std::size_t bad = 0;
  long result = guest::build_view(spec, view, block->size(), &bad);
  if (result == -EXDEV) return {};
  if (result == -E2BIG) throw Error("too many binds");
  if (result < 0 && bad < sources.size())
    throw SystemError(cat("bind ", printable(sources[bad]->host), " to"), sources[bad]->guest, static_cast<int>(-result));
  if (result == 0 && ::access(options.root.c_str(), X_OK) != 0) result = -errno;
  if (result < 0) throw SystemError("use as root directory", options.root, static_cast<int>(-result));
  return {block->data(), block->data() + view->bytes};
}

}  // namespace

std::vector<char> make_view(const ViewOptions& options, const std::string& stand_ins) {
  host::require_proc();
  auto view = try_view(options, stand_ins);
  if (view.empty()) throw SystemError("find a place for stand-in directories", options.tmp_dir, ENOENT);
  return view;
}

std::vector<char> make_view(const ViewOptions& options, std::string* stand_ins) {
  stand_ins->clear();
  auto view = try_view(options, {});
  if (!view.empty()) return view;
  std::string name = cat(options.tmp_dir, "/udocker-view-XXXXXX");
  if (!::mkdtemp(name.data())) throw_errno("make a directory in", options.tmp_dir);
  char* canonical = ::realpath(name.c_str(), nullptr);
  *stand_ins = canonical ? canonical : name;
  std::free(canonical);
  return make_view(options, *stand_ins);
}

void remove_stand_ins(const std::string& stand_ins) {
  if (stand_ins.empty()) return;
  try {
    remove_tree(stand_ins);
  } catch (const Error&) {  // what stays is in the temporary directory
  }
}

}  // namespace udocker::cli
