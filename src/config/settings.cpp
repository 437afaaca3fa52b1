#include "config/settings.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>
#include <variant>

#include <pwd.h>
#include <unistd.h>

namespace udocker::config {

namespace {

using Member = std::variant<std::string Settings::*, bool Settings::*, int Settings::*, List Settings::*>;

struct Key {
  const char* name;
  Member member;
  const char* variable = nullptr;  // environment variable that sets it
};

const Key kKeys[] = {
    {"access_files", &Settings::access_files},
    {"autoinstall", &Settings::autoinstall},
    {"bindir", &Settings::bindir, "UDOCKER_BIN"},
    {"cmd", &Settings::cmd},
    {"config", &Settings::config},
    {"containersdir", &Settings::containersdir, "UDOCKER_CONTAINERS"},
    {"cpu_affinity_exec_tools", &Settings::cpu_affinity_exec_tools},
    {"ctimeout", &Settings::ctimeout},
    {"default_execution_mode", &Settings::default_execution_mode},
    {"default_execution_modes", &Settings::default_execution_modes},
    {"docdir", &Settings::docdir, "UDOCKER_DOC"},
    {"docker_registries", &Settings::docker_registries},
    {"dockerio_index_url", &Settings::dockerio_index_url, "UDOCKER_INDEX"},
    {"dockerio_registry_url", &Settings::dockerio_registry_url, "UDOCKER_REGISTRY"},
    {"download_parallel", &Settings::download_parallel, "UDOCKER_DOWNLOAD_PARALLEL"},
    {"download_timeout", &Settings::download_timeout},
    {"dri_list", &Settings::dri_list},
    {"fakechroot_cmd_subst", &Settings::fakechroot_cmd_subst, "UDOCKER_FAKECHROOT_CMD_SUBST"},
    {"fakechroot_expand_symlinks", &Settings::fakechroot_expand_symlinks, "UDOCKER_FAKECHROOT_EXPAND_SYMLINKS"},
    {"fakechroot_libc", &Settings::fakechroot_libc, "UDOCKER_FAKECHROOT_LIBC"},
    {"fakechroot_so", &Settings::fakechroot_so, "UDOCKER_FAKECHROOT_SO"},
    {"homedir", &Settings::homedir},
    {"http_agent", &Settings::http_agent},
    {"http_insecure", &Settings::http_insecure},
    {"http_proxy", &Settings::http_proxy},
    {"installinfo", &Settings::installinfo},
    {"installretry", &Settings::installretry},
    {"invalid_host_env", &Settings::invalid_host_env},
    {"keystore", &Settings::keystore, "UDOCKER_KEYSTORE"},
    {"layersdir", &Settings::layersdir, "UDOCKER_LAYERS"},
    {"ld_so_cache", &Settings::ld_so_cache},
    {"lib_dirs_list_append", &Settings::lib_dirs_list_append},
    {"lib_dirs_list_essential", &Settings::lib_dirs_list_essential},
    {"lib_dirs_list_nvidia", &Settings::lib_dirs_list_nvidia},
    {"libc_search", &Settings::libc_search},
    {"libdir", &Settings::libdir, "UDOCKER_LIB"},
    {"location", &Settings::location},
    {"max_unpacked_size", &Settings::max_unpacked_size, "UDOCKER_MAX_UNPACKED_SIZE"},
    {"max_unpacked_files", &Settings::max_unpacked_files, "UDOCKER_MAX_UNPACKED_FILES"},
    {"mountpoint_prefixes", &Settings::mountpoint_prefixes},
    {"nvi_bin_list", &Settings::nvi_bin_list},
    {"nvi_dev_list", &Settings::nvi_dev_list},
    {"nvi_etc_list", &Settings::nvi_etc_list},
    {"nvi_lib_list", &Settings::nvi_lib_list},
    {"override_default_execution_mode", &Settings::override_default_execution_mode, "UDOCKER_DEFAULT_EXECUTION_MODE"},
    {"proot_killonexit", &Settings::proot_killonexit},
    {"proot_link2symlink", &Settings::proot_link2symlink},
    {"proot_noseccomp", &Settings::proot_noseccomp},
    {"reposdir", &Settings::reposdir, "UDOCKER_REPOS"},
    {"root_path", &Settings::root_path},
    {"runc_capabilities", &Settings::runc_capabilities},
    {"runc_nomqueue", &Settings::runc_nomqueue},
    {"singularity_options", &Settings::singularity_options},
    {"sysdirs_list", &Settings::sysdirs_list},
    {"tarball", &Settings::tarball, "UDOCKER_TARBALL"},
    {"tarball_release", &Settings::tarball_release},
    {"timeout", &Settings::timeout},
    {"tmpdir", &Settings::tmpdir, "UDOCKER_TMP"},
    {"topdir", &Settings::topdir, "UDOCKER_DIR"},
    {"use_curl_executable", &Settings::use_curl_executable, "UDOCKER_USE_CURL_EXECUTABLE"},
    {"use_patchelf_executable", &Settings::use_patchelf_executable, "UDOCKER_USE_PATCHELF_EXECUTABLE"},
    {"use_proot_executable", &Settings::use_proot_executable, "UDOCKER_USE_PROOT_EXECUTABLE"},
    {"use_runc_executable", &Settings::use_runc_executable, "UDOCKER_USE_RUNC_EXECUTABLE"},
    {"use_singularity_executable", &Settings::use_singularity_executable, "UDOCKER_USE_SINGULARITY_EXECUTABLE"},
    {"user_path", &Settings::user_path},
    {"valid_host_env", &Settings::valid_host_env},
    {"verbose_level", &Settings::verbose_level, "UDOCKER_LOGLEVEL"},
};

const Key* find_key(std::string_view name) {
  for (const auto& key : kKeys)
    if (name == key.name) return &key;
  return nullptr;
}

std::string unquote(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0]) {
    text.remove_prefix(1);
    text.remove_suffix(1);
  }
  return std::string(text);
}

// Words of a list: [a, 'b'], ("a", "b"), a, b or a b; {"k": "v"} gives k and v in turn.
List parse_list(std::string_view text) {
  text = trim(text);
  bool pairs = text.starts_with('{');
  if (text.size() >= 2 && (text[0] == '[' || text[0] == '(' || pairs)) {
    text.remove_prefix(1);
    text.remove_suffix(1);
  }
  List out;
  std::string word;
  char quote = 0;
  bool have = false;
  for (char c : text) {
    if (quote) {
      if (c == quote) quote = 0;
      else word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      have = true;
    } else if (c == ' ' || c == '\t' || c == ',' || c == '\n' || (pairs && c == ':')) {
      if (have) out.push_back(std::move(word));
      word.clear();
      have = false;
    } else {
      word += c;
      have = true;
    }
  }
  if (have) out.push_back(std::move(word));
  return out;
}

void assign(Settings& settings, const Key& key, std::string_view text, const std::string& where) {
  std::string value = unquote(text);
  std::string lower = to_lower(value);
  bool none = lower == "none" || lower.empty();
  auto bad = [&](const char* wanted) { return Error(cat(where, ": ", key.name, ": expected ", wanted, ", got ", printable(value))); };
  if (auto text_member = std::get_if<std::string Settings::*>(&key.member)) {
    settings.**text_member = lower == "none" ? "" : value;
  } else if (auto bool_member = std::get_if<bool Settings::*>(&key.member)) {
    if (lower == "true" || lower == "yes" || lower == "on" || lower == "1") settings.**bool_member = true;
    else if (none || lower == "false" || lower == "no" || lower == "off" || lower == "0") settings.**bool_member = false;
    else throw bad("true or false");
  } else if (auto int_member = std::get_if<int Settings::*>(&key.member)) {
    bool negative = value.starts_with('-');
    auto number = parse_number(std::string_view(value).substr(negative ? 1 : 0));
    if (!number || *number > 1000000000) throw bad("a number");
    settings.**int_member = negative ? -static_cast<int>(*number) : static_cast<int>(*number);
  } else {
    settings.*std::get<List Settings::*>(key.member) = lower == "none" ? List{} : parse_list(trim(text));
  }
}

// "%(name)s" in a value stands for another key, as in the sample file shipped with the Python tool.
std::string interpolate(const Settings& settings, std::string text) {
  for (std::size_t at = 0; (at = text.find("%(", at)) != std::string::npos;) {
    auto end = text.find(")s", at);
    if (end == std::string::npos) break;
    const Key* key = find_key(to_lower(text.substr(at + 2, end - at - 2)));
    auto member = key ? std::get_if<std::string Settings::*>(&key->member) : nullptr;
    std::string value = member ? settings.**member : "";
    text.replace(at, end + 2 - at, value);
    at += value.size();
  }
  return text;
}

void apply_file(Settings& settings, const std::string& path) {
  if (auto text = find_file(path, 1 << 20)) apply_text(settings, *text, path);
}

std::string home_directory() {
  const char* home = std::getenv("HOME");
  if (home && *home) return home;
  if (passwd* entry = ::getpwuid(::geteuid()); entry && entry->pw_dir && *entry->pw_dir) return entry->pw_dir;
  return "";
}

void apply_environment(Settings& settings) {
  for (const auto& key : kKeys) {
    const char* value = key.variable ? std::getenv(key.variable) : nullptr;
    if (value) assign(settings, key, value, key.variable);
  }
}

// A proxy's address without the password in it.
std::string without_password(const std::string& address) {
  auto at = address.rfind('@'), start = address.find("://");
  start = start == std::string::npos ? 0 : start + 3;
  auto colon = address.find(':', start);
  if (at == std::string::npos || colon == std::string::npos || colon > at) return address;
  return cat(address.substr(0, colon + 1), "***", address.substr(at));
}

std::string value_text(const Settings& settings, const Key& key) {
  if (auto text = std::get_if<std::string Settings::*>(&key.member))
    return *text == &Settings::http_proxy ? without_password(settings.**text) : settings.**text;
  if (auto flag = std::get_if<bool Settings::*>(&key.member)) return settings.**flag ? "True" : "False";
  if (auto number = std::get_if<int Settings::*>(&key.member)) return cat(settings.**number);
  List quoted;
  for (const auto& word : settings.*std::get<List Settings::*>(key.member)) quoted.push_back(cat("'", word, "'"));
  return cat("[", join(quoted, ", "), "]");
}

}  // namespace

void apply_text(Settings& settings, std::string_view text, std::string_view name) {
  bool counts = true;
  std::size_t number = 0;
  const Key* last = nullptr;
  std::string pending, where;
  auto finish = [&] {
    if (last) assign(settings, *last, interpolate(settings, pending), where);
    last = nullptr;
  };
  for (const auto& raw : split(text, '\n')) {
    ++number;
    std::string_view line = trim(raw);
    bool continued = !raw.empty() && (raw[0] == ' ' || raw[0] == '\t') && last && !line.empty();
    if (continued) {
      pending += cat("\n", line);
      continue;
    }
    finish();
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      counts = to_lower(line) == "[default]";
      continue;
    }
    if (!counts) continue;
    where = cat(name, ":", number);
    auto at = line.find_first_of("=:");
    if (at == std::string_view::npos) throw Error(cat(where, ": expected key = value, got ", printable(line)));
    std::string key = to_lower(trim(line.substr(0, at)));
    last = find_key(key);
    if (!last) log::warning(cat(where, ": unknown key ", printable(key)));
    pending = trim(line.substr(at + 1));
  }
  finish();
}

Settings load_settings(const Sources& sources) {
  Settings settings;
  std::string home = home_directory();
  settings.homedir = home.empty() ? "" : cat(home, "/.udocker");
  const char* tmpdir = std::getenv("TMPDIR");
  settings.tmpdir = tmpdir && *tmpdir ? tmpdir : "/tmp";
  if (!std::getenv("UDOCKER_NOSYSCONF")) apply_file(settings, "/etc/udocker.conf");
  if (!settings.homedir.empty()) apply_file(settings, cat(settings.homedir, "/udocker.conf"));
  std::string top = !sources.repo.empty() ? sources.repo : settings.topdir;
  if (const char* dir = std::getenv("UDOCKER_DIR"); dir && *dir && sources.repo.empty()) top = dir;
  if (!top.empty() && top != settings.homedir) apply_file(settings, cat(top, "/udocker.conf"));
  if (!sources.container_file.empty()) apply_file(settings, sources.container_file);
  if (!sources.config_file.empty()) apply_text(settings, load_file(sources.config_file, 1 << 20), sources.config_file);
  apply_environment(settings);
  if (settings.topdir.empty()) settings.topdir = settings.homedir;
  if (!sources.repo.empty()) {
    settings.topdir = absolute_path(sources.repo);
    settings.bindir = settings.libdir = settings.docdir = settings.reposdir = settings.layersdir = settings.containersdir = "";
  }
  if (!settings.topdir.empty()) settings.topdir = absolute_path(settings.topdir);
  auto below = [&](std::string& dir, const char* name) { dir = dir.empty() ? cat(settings.topdir, "/", name) : absolute_path(dir); };
  below(settings.bindir, "bin");
  below(settings.libdir, "lib");
  below(settings.docdir, "doc");
  below(settings.reposdir, "repos");
  below(settings.layersdir, "layers");
  below(settings.containersdir, "containers");
  if (sources.insecure) settings.http_insecure = true;
  if (sources.debug) settings.verbose_level = static_cast<int>(log::Level::debug);
  else if (sources.quiet) settings.verbose_level = static_cast<int>(log::Level::message);
  settings.verbose_level = std::clamp(settings.verbose_level, -1, 5);
  return settings;
}

std::vector<std::string> settings_lines(const Settings& settings) {
  std::vector<std::string> lines;
  for (const auto& key : kKeys) lines.push_back(cat(key.name, " = ", value_text(settings, key)));
  return lines;
}

std::string keystore_path(const Settings& settings) {
  if (settings.keystore.starts_with('/')) return settings.keystore;
  return cat(settings.homedir.empty() ? settings.topdir : settings.homedir, "/", settings.keystore);
}

}  // namespace udocker::config
