// Settings: read once from files, environment and options into a value, then passed down.
// Keys, defaults and precedence: compatibility spec, section 3.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace udocker::config {

using List = std::vector<std::string>;

struct Settings {
  int verbose_level = 3;
  std::string homedir, topdir, bindir, libdir, docdir, reposdir, layersdir, containersdir;
  std::string config = "udocker.conf", keystore = "keystore", tmpdir;
  std::string tarball_release, tarball, installinfo;  // accepted; nothing is downloaded
  int installretry = 3;
  bool autoinstall = true;
  List cmd = {"bash", "-i"};
  std::string root_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::string user_path = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
  List sysdirs_list = {"/dev", "/proc", "/sys", "/etc/resolv.conf", "/etc/host.conf", "/lib/modules"};
  List dri_list = {"/usr/lib64/dri", "/lib64/dri", "/usr/lib/dri", "/lib/dri"};
  List mountpoint_prefixes = {"/etc"};
  std::string override_default_execution_mode, default_execution_mode;
  List default_execution_modes;  // machine and mode in turn: x86_64 P1 arm64 P1 DEFAULT P1
  bool proot_noseccomp = false, proot_killonexit = true, proot_link2symlink = false;
  std::string ld_so_cache = "/etc/ld.so.cache", fakechroot_so, fakechroot_libc, fakechroot_expand_symlinks;
  std::string fakechroot_cmd_subst = "/sbin/ldconfig=#RETURN(TRUE)#:/usr/sbin/ldconfig=#RETURN(TRUE)#";
  List libc_search, lib_dirs_list_essential, lib_dirs_list_append = {"."}, access_files;
  List lib_dirs_list_nvidia = {"/usr/lib/x86_64-linux-gnu", "/usr/lib64"};
  List nvi_etc_list, nvi_bin_list, nvi_lib_list, nvi_dev_list;
  std::string use_proot_executable = "UDOCKER", use_runc_executable, use_singularity_executable,
              use_patchelf_executable = "UDOCKER", use_curl_executable;
  bool runc_nomqueue = false;
  List runc_capabilities;
  List singularity_options = {"-w"};
  List valid_host_env = {"TERM", "PATH", "PROOT_TMP_DIR"}, invalid_host_env = {"VTE_VERSION"};
  List cpu_affinity_exec_tools;
  std::string location;
  std::string http_proxy, http_agent;
  bool http_insecure = false;
  int timeout = 12, ctimeout = 6, download_timeout = 1800;  // seconds
  std::string dockerio_index_url = "https://hub.docker.com", dockerio_registry_url = "https://registry-1.docker.io";
  std::string docker_registries;
  int download_parallel = 4;             // layers fetched at once
  std::string max_unpacked_size = "auto";  // limit of what is unpacked at once in bytes; 0: none; auto: 8 GiB or 100 times the stored size
  int max_unpacked_files = 20000000;       // 0: no limit
};

// What the command line says about settings.
struct Sources {
  std::string repo;         // --repo
  std::string container_file;  // container.conf of the container in use; may be missing
  std::string config_file;     // --config
  bool insecure = false, debug = false, quiet = false;
};

// Reads everything in order. An unknown key is a warning, a bad value an Error; both name file and line.
Settings load_settings(const Sources& sources);

// Applies one file's text to `settings`; `name` is for messages. The form is INI: section headers are optional and
// only [DEFAULT] counts, `#` and `;` start comments, values may be quoted, lists are blank- or comma-separated or
// written as in Python.
void apply_text(Settings& settings, std::string_view text, std::string_view name);

// "key = value" for every key, sorted by name.
std::vector<std::string> settings_lines(const Settings& settings);

// Absolute path of the credentials file.
std::string keystore_path(const Settings& settings);

}  // namespace udocker::config
