#include "ops/run.hpp"

#include "cli/applet.hpp"
#include "engine/leftovers.hpp"
#include "host/arch.hpp"
#include "host/cpus.hpp"
#include "host/foreground.hpp"
#include "host/limits.hpp"
#include "host/self.hpp"
#include "ops/banner.hpp"
#include "ops/gpus.hpp"
#include "ops/mode.hpp"
#include "ops/nvidia.hpp"
#include "ops/run_target.hpp"
#include "ops/session.hpp"
#include "ops/setup.hpp"
#include "ops/shared_namespace.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/interrupt.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace udocker::ops {

using engine::Family;
using engine::RunPlan;

namespace {

bool forbids_programs(const std::string& directory) {
  struct statvfs info;
  return ::statvfs(directory.c_str(), &info) == 0 && (info.f_flag & ST_NOEXEC) != 0;
}

// Collects the plan of one run; every step may refuse with exit code 2.
class Planner {
 public:
  Planner(Session& session, const RunOptions& options, std::optional<store::Container> container)
      : session_(session), options_(options), container_(std::move(container)) {
    if (container_) finish_setup(*container_);
    plan_.mode = choose_mode(session, options, container_);
    family_ = engine::family_of(plan_.mode);
  }

  RunPlan make() {
    const auto& settings = session_.settings();
    load_container();
    plan_.verbosity = static_cast<int>(log::level());
    plan_.cache_dir = settings.libdir;
    plan_.tmp_dir = settings.tmpdir;
    plan_.kernel_release = options_.kernel;
    plan_.kill_on_exit = settings.proot_killonexit;
    plan_.link_to_symlink = settings.proot_link2symlink;
    plan_.seccomp = plan_.mode != engine::Mode::P2 && plan_.mode != engine::Mode::R3 && !settings.proot_noseccomp &&
                    !std::getenv("PROOT_NO_SECCOMP");
    plan_.read_only_root = options_.read_only;
    plan_.allow_static = options_.allow_static;
    plan_.pid_of_host = options_.pid_of_host;
    plan_.ipc_of_host = options_.ipc_of_host;
    // An image's host name is the build's random one unless it has a domain.
    bool chosen = image_.hostname.find('.') != std::string::npos && family_ == Family::launcher;
    plan_.hostname = !options_.hostname.empty() ? options_.hostname : chosen ? image_.hostname : "";
    plan_.domainname = image_.domainname;
    check_options();
    choose_devices();
    plan_identity_and_volumes();
    plan_workdir();
    plan_program();
    plan_engine_choice();
    if (family_ == Family::launcher && options_.pid_of_host && host::current_user().uid != 0)
      plan_.user_namespace = join_or_offer_user_namespace(session_.settings().tmpdir, cat(plan_.root, " ", plan_.uid, " ", plan_.gid));
    return std::move(plan_);
  }

  bool needs_cleanup() const { return auth_dir_ != nullptr; }

 private:
  void load_container() {
    if (!container_) {
      plan_.root = real_path(options_.location);
      if (!is_directory(plan_.root)) refuse_run(cat("not a directory: ", printable(options_.location)));
      plan_.id = path_basename(plan_.root);
      return;
    }
    plan_.container_dir = container_->directory();
    plan_.root = container_->root();
    plan_.id = container_->id();
    if (!is_directory(plan_.root)) refuse_run(cat("container has no root directory: ", plan_.root));
    if (::access(plan_.root.c_str(), R_OK | X_OK) != 0)
      refuse_run(cat("container root directory cannot be read: ", plan_.root, ": ", std::strerror(errno)));
    plan_.root = real_path(plan_.root);
    if (forbids_programs(plan_.root))
      log::warning(cat("programs cannot be executed below ", plan_.root, ": that file system is mounted noexec (UDOCKER_DIR or "
                       "UDOCKER_CONTAINERS put containers elsewhere)"));
    repair();
    auto metadata = container_->metadata();
    if (!metadata && !options_.no_meta) refuse_run("invalid container json metadata");
    if (metadata && !options_.no_meta) image_ = oci::parse_run_config(*metadata);
    if (metadata) check_architecture((*metadata)["architecture"].as_string());
    std::string have = metadata ? store::platform_text(*metadata) : "";
    if (metadata && !options_.platform.empty() && !starts_with_word(have, to_lower(options_.platform)))
      log::warning(cat("this container is for ", have, ": --platform chooses an image that has to be pulled"));
  }

  // A run of the Python tool in an R mode leaves dangling links for /etc/passwd and others.
  void repair() {
    if (!engine::has_file_binds(plan_.container_dir)) return;
    try {
      store::Lock lock = container_->lock();
      engine::restore_file_binds(plan_.container_dir);
    } catch (const Error& error) {
      log::warning(cat("files that another udocker has moved cannot be put back: ", error.what()));
    }
  }

  void check_architecture(const std::string& architecture) {
    if (architecture.empty() || architecture == "unknown" || host::runs_natively(architecture)) return;
    if (family_ != Family::ptrace) return log::warning(cat("host and container architectures mismatch: ", printable(architecture)));
    const char* path = std::getenv("PATH");
    std::string name = cat("qemu-", host::qemu_name(architecture));
    for (const auto& candidate : {name, name + "-static"})
      if (auto found = find_program(candidate, path ? path : "")) plan_.qemu = *found;
    if (plan_.qemu.empty()) log::warning(cat("qemu required but not available: ", name));
  }

  void check_options() {
    bool view_engine = family_ == Family::ptrace || family_ == Family::trap;
    auto unsupported = [&](const char* option) {
      log::warning(cat("this execution mode does not support ", option, " (P and T modes do)"));
    };
    for (const auto& text : options_.publish) plan_.ports.push_back(parse_port(text));
    plan_.publish_all = options_.publish_all;
    plan_.netcoop = options_.netcoop;
    if (!view_engine && !options_.publish.empty()) unsupported("-p --publish");
    if (!view_engine && (options_.publish_all || options_.netcoop)) unsupported("-P --netcoop --publish-all");
    if (!view_engine && !options_.kernel.empty()) unsupported("--kernel");
    if (!view_engine && family_ != Family::launcher && !options_.hostname.empty())
      log::warning("this execution mode does not support --hostname (P, T and R modes do)");
    if (family_ != Family::launcher && options_.read_only) log::warning("this execution mode does not support --read-only (R modes do)");
    std::vector<std::string> low, all;
    for (int port : image_.exposed_ports) {
      bool remapped = std::any_of(plan_.ports.begin(), plan_.ports.end(), [&](const engine::Port& p) { return p.container == port && p.host >= 1024; });
      if (port < 1024 && !remapped) low.push_back(cat(port));
      all.push_back(cat(port));
    }
    if (!low.empty()) log::warning(cat("this container exposes privileged TCP/IP ports: ", join(low, " ")));
    else if (!all.empty()) log::warning(cat("this container exposes TCP/IP ports: ", join(all, " ")));
  }

  bool is_isolated() const { return family_ == Family::launcher || family_ == Family::apptainer; }

  // GPUs and devices; may put the host's driver into the container.
  void choose_devices() {
    std::vector<std::string> names;
    for (const auto& text : options_.devices) (is_cdi_name(text) ? names : plan_.devices).push_back(text);
    cdi_ = resolve_cdi(names, cdi_spec_dirs());
    auto visible = find_variable(image_.env, "NVIDIA_VISIBLE_DEVICES");
    for (const auto& text : options_.env)
      if (text.starts_with("NVIDIA_VISIBLE_DEVICES=")) visible = text.substr(23);
    gpus_ = gpu_request(options_.gpus, visible);
    if (!container_) return;
    refresh_driver(session_, *container_, gpus_);
    if (options_.gpus.empty() && !visible && has_nvidia(*container_)) gpus_.which = "all";
  }

  void bind_devices() {
    auto add = [&](std::vector<engine::Bind> binds) {
      for (auto& bind : binds)
        if (std::none_of(plan_.binds.begin(), plan_.binds.end(), [&](const engine::Bind& other) { return other.guest == bind.guest; }))
          plan_.binds.push_back(std::move(bind));
    };
    add(gpu_binds(gpus_, is_isolated()));
    if (options_.dri) add(dri_binds(is_isolated()));
    std::erase_if(cdi_.devices, [&](const engine::Bind& bind) { return !is_isolated() && bind.host == bind.guest; });
    add(cdi_.devices);
    add(cdi_.mounts);
    if (cdi_.links.empty() && cdi_.library_dirs.empty()) return;
    engine::ContainerView view(plan_.root, plan_.binds);
    std::vector<std::string> libraries, hosts;
    for (const auto& [guest, target] : cdi_.links) {
      std::string path = cat(plan_.root, view.canonical(path_dirname(guest)), "/", path_basename(guest));
      if (path_exists(path) || find_link(path)) continue;
      make_directories(path_dirname(path));
      if (::symlink(target.c_str(), path.c_str()) != 0 && errno != EEXIST) throw_errno("make link", path);
    }
    for (const auto& bind : cdi_libraries(cdi_)) {
      libraries.push_back(bind.guest);
      hosts.push_back(bind.host);
    }
    if (family_ == Family::preload) return link_libraries();
    auto cache = view.find("/etc/ld.so.cache");
    auto text = cache ? find_file(*cache) : std::nullopt;
    if (auto extended = text ? extended_ld_cache(*text, libraries, hosts) : std::nullopt) bind_text("/etc/ld.so.cache", *extended);
  }

  // For F modes, whose loader reads no cache and opens libraries by host paths: a directory of links.
  void link_libraries() {
    auto names = cdi_library_names(cdi_);
    std::string text;
    for (const auto& [name, host] : names) text += cat(name, " ", host, "\n");
    plan_.first_library_dir = place_for(cat(sha256_hex(text).substr(0, 16), "-libraries"));
    make_directories(plan_.first_library_dir, 0700);
    for (const auto& [name, host] : names) {
      std::string link = cat(plan_.first_library_dir, "/", name);
      if (::symlink(host.c_str(), link.c_str()) != 0 && errno != EEXIST) throw_errno("make link", link);
    }
  }

  // The host's /etc/hosts is shown where the container's says nothing, as is usual in images: its own name would be
  // asked of a name server else, which may not be there.
  void keep_own_hosts() {
    std::string own = engine::ContainerView(plan_.root, {}).read("/etc/hosts").value_or("");
    auto says_something = [](const std::string& line) { return !trim(line).empty() && trim(line)[0] != '#'; };
    auto lines = split(own, '\n');
    if (std::none_of(lines.begin(), lines.end(), says_something)) return;
    std::erase_if(plan_.binds, [&](const engine::Bind& bind) {
      bool asked = std::any_of(options_.volumes.begin(), options_.volumes.end(), [](const std::string& text) { return text.starts_with("/etc/hosts"); });
      return bind.guest == "/etc/hosts" && bind.host == bind.guest && !asked;
    });
  }

  // Files that only help are not worth a layer over /etc, which doubles the time to start in an R mode. Name resolution
  // is: where resolv.conf needs that layer, the others come with it.
  void drop_costly_files() {
    if (family_ != Family::launcher) return;
    engine::ContainerView view(plan_.root, {});
    auto missing = [&](const engine::Bind& bind, const std::string& path) {
      bool asked = std::any_of(options_.volumes.begin(), options_.volumes.end(), [&](const std::string& text) { return text.starts_with(path); });
      return bind.guest == path && bind.host == path && !asked && !view.find(path) && !find_link(plan_.root + path);
    };
    for (const auto& bind : plan_.binds)
      if (missing(bind, "/etc/resolv.conf")) return;
    std::erase_if(plan_.binds, [&](const engine::Bind& bind) { return missing(bind, "/etc/hosts") || missing(bind, "/etc/host.conf"); });
  }

  void plan_identity_and_volumes() {
    std::string host_home = host::current_user().home;
    plan_.binds = plan_volumes(options_, session_.settings(), family_, host_home);
    keep_own_hosts();
    drop_costly_files();
    bind_devices();
    auto is_bound = [&](const char* guest) {
      return std::any_of(plan_.binds.begin(), plan_.binds.end(), [&](const engine::Bind& bind) { return bind.guest == guest; });
    };
    IdentityRequest request{options_.user.empty() ? image_.user : options_.user, family_, options_.host_auth,
                            options_.container_auth, options_.bind_home, is_bound("/etc/passwd") || is_bound("/etc/group")};
    Identity identity = resolve_identity(request, engine::ContainerView(plan_.root, plan_.binds));
    user_ = identity.user;
    plan_.uid = user_.uid;
    plan_.gid = user_.gid;
    plan_.user_name = user_.name;
    plan_.user_home = user_.home;
    if (identity.passwd) bind_text("/etc/passwd", *identity.passwd);
    if (identity.group) bind_text("/etc/group", *identity.group);
  }

  // Path of something made for runs, whose name holds the digest of its content: it is kept beside ROOT, so that runs share
  // it and none has to clean up; where that cannot be written it lies in a temporary folder for the time of the run.
  std::string place_for(const std::string& name) {
    if (!plan_.container_dir.empty() && ::access(plan_.container_dir.c_str(), W_OK) == 0) {
      std::string dir = cat(plan_.container_dir, "/auth");
      make_directories(dir, 0700);
      return cat(dir, "/", name);
    }
    if (!auth_dir_) auth_dir_ = std::make_shared<TempDir>(session_.settings().tmpdir, "auth");
    return cat(auth_dir_->path(), "/", name);
  }

  // Shows `text` at a guest path.
  void bind_text(const std::string& guest, const std::string& text) {
    std::string path = place_for(cat(sha256_hex(text).substr(0, 16), "-", path_basename(guest)));
    if (find_file(path) != text) make_file(path, text, 0644);
    plan_.binds.push_back({path, guest});
  }

  void plan_workdir() {
    engine::ContainerView view(plan_.root, plan_.binds);
    std::string wanted = !options_.workdir.empty() ? options_.workdir : !image_.working_dir.empty() ? image_.working_dir : user_.home;
    if (!wanted.starts_with('/')) refuse_run(cat("invalid working directory:  ", printable(wanted)));
    plan_.workdir = engine::normal_guest_path(wanted);
    if (view.is_directory(plan_.workdir)) return;
    if (!options_.workdir.empty()) refuse_run(cat("invalid working directory:  ", printable(options_.workdir)));
    // The image or passwd names a directory that does not exist: made, as docker does, else the root serves.
    std::string missing = path_basename(plan_.workdir), above = path_dirname(plan_.workdir);
    for (; !view.is_directory(above) && above != "/"; above = path_dirname(above)) missing = cat(path_basename(above), "/", missing);
    auto parent = view.find(above);
    bool below_root = parent && starts_with_word(*parent, plan_.root);
    std::string made = below_root ? *parent : "";
    bool all = below_root;
    for (const auto& part : split(missing, '/')) all = all && ::mkdir((made += "/" + part).c_str(), 0755) == 0;
    if (all) return;
    log::warning(cat("working directory ", plan_.workdir, " does not exist, using /"));
    plan_.workdir = "/";
  }

  void plan_program() {
    const auto& settings = session_.settings();
    EnvironmentRequest request;
    request.image = image_.env;
    request.files = options_.env_files;
    request.options = cdi_.environment;
    for (const auto& entry : gpu_environment(gpus_, is_isolated())) request.options.push_back(entry);
    request.options.insert(request.options.end(), options_.env.begin(), options_.env.end());
    request.host_env = options_.host_env;
    request.host = host::environment();
    request.valid_host = settings.valid_host_env;
    request.invalid_host = settings.invalid_host_env;
    request.default_path = plan_.uid == 0 ? settings.root_path : settings.user_path;
    request.user = user_;
    request.container_id = plan_.id;
    if (container_) request.container_names = join(container_->names(), ",");
    request.root = plan_.root;
    request.mode = engine::mode_name(plan_.mode);
    request.host_user = host::current_user().name;
    plan_.environment = plan_environment(request);
    plan_.argv = plan_command(options_, image_, settings);
    plan_.executable = resolve_program(plan_.argv, find_variable(plan_.environment, "PATH").value_or(""), plan_.workdir,
                                       engine::ContainerView(plan_.root, plan_.binds));
  }

  // use_*_executable: "UDOCKER" is ours, else a path or a name in PATH. Nothing: a PRoot in PATH when there is one, as the
  // Python tool does; our own for the other engines.
  void plan_engine_choice() {
    const auto& settings = session_.settings();
    std::string wanted = family_ == Family::ptrace     ? settings.use_proot_executable
                         : family_ == Family::launcher ? settings.use_runc_executable
                         : family_ == Family::apptainer ? settings.use_singularity_executable
                                                        : "";
    plan_.host_executable_options = settings.singularity_options;
    const char* path = std::getenv("PATH");
    if (wanted.empty() && family_ == Family::ptrace && find_program("proot", path ? path : settings.root_path)) wanted = "proot";
    if (wanted.empty() || wanted == "UDOCKER") return;
    auto found = find_program(wanted, path ? path : settings.root_path);
    if (!found) throw Error(cat("executable not found: ", printable(wanted)));
    plan_.host_executable = *found;
  }

  Session& session_;
  const RunOptions& options_;
  std::optional<store::Container> container_;
  RunPlan plan_;
  Family family_;
  oci::RunConfig image_;
  host::User user_;
  GpuRequest gpus_;
  CdiEdits cdi_;
  std::shared_ptr<TempDir> auth_dir_;
};

// Our own engines are called: a fresh process for them would be a fifth of the time to start. Returns only then.
int execute(const engine::Launch& launch) {
  check_interrupt();
  forget_interrupts();
  if (!launch.directory.empty() && ::chdir(launch.directory.c_str()) != 0) throw_errno("change directory to", launch.directory);
  if (!launch.program.empty()) host::exec_program(launch.program, launch.argv, launch.environment);
  host::set_environment(launch.environment);
  std::vector<std::string> words = launch.argv;
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  log::flush();
  return cli::find_program(words[0])->main(static_cast<int>(words.size()), argv.data());
}

}  // namespace

int run_container(Session& session, const RunOptions& given) {
  RunOptions options = given;
  if (options.mpi) apply_mpi(options);
  host::require_proc();
  if (!options.cpuset.empty()) host::parse_cpu_list(options.cpuset);
  std::optional<store::Container> container;
  if (options.location.empty()) container = find_run_target(session, options);
  if (container && !options.id_file.empty()) make_file(options.id_file, container->id());
  if (container) session.enter(*container);
  Planner planner(session, options, container);
  RunPlan plan = planner.make();
  if (!options.cpuset.empty()) host::bind_to_cpus(host::parse_cpu_list(options.cpuset));
  for (const auto& limit : options.limits) host::set_limit(limit);
  engine::Launch launch = engine::plan_launch(plan);
  if (log::enabled(log::Level::verbose)) log::verbose(cat("CMD = ", launch.program, " ", join(launch.argv, " ")));
  if (log::enabled(log::Level::info) && !options.no_banner) {
    std::string banner = banner_text(engine::family_of(plan.mode), plan.id, plan.argv[0]);
    write_all(STDERR_FILENO, banner, "standard error");
  }
  if (!options.remove && !planner.needs_cleanup()) return execute(launch);
  int status = host::run_foreground([&] { ::_exit(execute(launch)); });
  if (options.remove && container && !container->is_protected()) session.repository().containers().remove(*container);
  return status;
}

}  // namespace udocker::ops
