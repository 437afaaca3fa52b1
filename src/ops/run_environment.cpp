#include "ops/run_options.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>

#include <unistd.h>

namespace udocker::ops {

std::optional<std::string> find_variable(const std::vector<std::string>& environment, std::string_view key) {
  for (const auto& entry : environment)
    if (entry.size() > key.size() && entry[key.size()] == '=' && entry.starts_with(key)) return entry.substr(key.size() + 1);
  return std::nullopt;
}

namespace {

// Keeps the order of first appearance; a later set replaces the value.
class Environment {
 public:
  void set(std::string_view key, std::string_view value) {
    key = trim(key);
    bool usable = !key.empty() && key.find_first_of(" \t") == std::string_view::npos && !(key[0] >= '0' && key[0] <= '9');
    if (!usable) return;
    std::string entry = cat(key, "=", value);
    for (auto& old : entries_)
      if (old.size() > key.size() && old[key.size()] == '=' && old.starts_with(key)) {
        old = std::move(entry);
        return;
      }
    entries_.push_back(std::move(entry));
  }
  // "K=V", or "K" alone for the host's value; a name the host does not have is set to nothing.
  void set_text(std::string_view text, const std::vector<std::string>& host) {
    auto equals = text.find('=');
    if (equals != std::string_view::npos) return set(text.substr(0, equals), text.substr(equals + 1));
    set(text, find_variable(host, trim(text)).value_or(""));
  }
  bool has(std::string_view key) const { return find_variable(entries_, key).has_value(); }
  void set_default(std::string_view key, std::string_view value) {
    if (!has(key)) set(key, value);
  }
  std::vector<std::string> take() { return std::move(entries_); }

 private:
  std::vector<std::string> entries_;
};

void read_env_file(Environment& environment, const std::string& path, const std::vector<std::string>& host) {
  std::string text;
  if (path == "-") {
    char buffer[4096];
    while (std::size_t got = read_full(STDIN_FILENO, buffer, sizeof buffer, "standard input")) text.append(buffer, got);
  } else {
    auto content = find_file(path, 16 << 20);
    if (!content) refuse_run(cat("environment file does not exist: ", printable(path)));
    text = *content;
  }
  for (const auto& raw : split(text, '\n')) {
    std::string_view line = raw;
    if (line.ends_with('\r')) line.remove_suffix(1);
    while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) line.remove_prefix(1);
    if (line.empty() || line[0] == '#') continue;
    environment.set_text(line, host);
  }
}

bool contains(const config::List& list, std::string_view key) { return std::find(list.begin(), list.end(), key) != list.end(); }

}  // namespace

std::vector<std::string> plan_environment(const EnvironmentRequest& request) {
  Environment environment;
  for (const auto& entry : request.image) environment.set_text(entry, {});
  for (const auto& file : request.files) read_env_file(environment, file, request.host);
  for (const auto& entry : request.options) environment.set_text(entry, request.host);
  auto asked = [&](std::string_view key) {
    return std::any_of(request.options.begin(), request.options.end(),
                       [&](const std::string& text) { return trim(text.substr(0, text.find('='))) == key; });
  };
  environment.set_default("PATH", request.default_path);
  environment.set_default("HOME", request.user.home);
  for (const char* key : {"USER", "LOGNAME", "USERNAME"})
    if (!asked(key)) environment.set(key, request.user.name);
  for (const auto& entry : request.host) {
    std::string key = entry.substr(0, entry.find('='));
    if (contains(request.invalid_host, key) || key == "PWD" || key == "OLDPWD") continue;
    if (request.host_env || contains(request.valid_host, key)) environment.set_default(key, entry.substr(key.size() + 1));
  }
  environment.set("SHLVL", "0");
  environment.set_default("PS1", cat(request.container_id.substr(0, 8), request.user.uid == 0 ? "# " : "$ "));
  environment.set("container_ruser", request.host_user);
  environment.set("container_root", request.root);
  environment.set("container_uuid", request.container_id);
  environment.set("container_execmode", request.mode);
  environment.set("container_names", request.container_names);
  return environment.take();
}

std::vector<std::string> plan_command(const RunOptions& options, const oci::RunConfig& image, const config::Settings& settings) {
  std::vector<std::string> argv;
  auto add = [&](const std::vector<std::string>& words) { argv.insert(argv.end(), words.begin(), words.end()); };
  if (options.entrypoint) {
    add(split_words(*options.entrypoint));
    add(options.command);
  } else {
    add(image.entrypoint);
    add(options.command.empty() ? image.cmd : options.command);
  }
  if (argv.empty()) {
    std::vector<std::string> quoted;
    for (const auto& word : settings.cmd) quoted.push_back(cat("'", word, "'"));
    log::warning(cat("no command assuming: [", join(quoted, ", "), "]"));
    add(settings.cmd);
  }
  if (argv.empty() || argv[0].empty()) refuse_run("the command to run is empty");
  return argv;
}

std::string resolve_program(const std::vector<std::string>& argv, const std::string& path_list, const std::string& workdir,
                            const engine::ContainerView& view) {
  const std::string& name = argv[0];
  if (name.starts_with('/')) {
    if (view.is_executable(name)) return name;
  } else if (name.find('/') != std::string::npos) {
    std::string path = engine::normal_guest_path(cat(workdir, "/", name));
    if (view.is_executable(path)) return path;
  }
  if (!name.starts_with('/') && !name.starts_with("./") && !name.starts_with("../"))
    for (const auto& dir : split(path_list, ':'))
      if (std::string path = engine::normal_guest_path(cat(dir.empty() ? workdir : dir, "/", name)); view.is_executable(path)) return path;
  std::vector<std::string> quoted;
  for (const auto& word : argv) quoted.push_back(cat("'", printable(word), "'"));
  refuse_run(cat("command not found or has no execute bit set:  [", join(quoted, ", "), "]"));
}

}  // namespace udocker::ops
