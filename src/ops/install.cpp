#include "ops/install.hpp"

#include "cli/applet.hpp"
#include "host/arch.hpp"
#include "host/self.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>

#include <unistd.h>

namespace udocker::ops {

namespace {

std::vector<std::string> engine_names() {
  return {cat("proot-", host::udocker_machine()), cat("proot-", host::udocker_machine(), "-4_8_0"), cat("runc-", host::udocker_machine()), cat("patchelf-", host::udocker_machine())};
}

void make_link(const std::string& target, const std::string& path, Replace replace) {
  if (auto old = find_link(path)) {
    if (*old == target) return;
    bool ours = path_basename(*old) == path_basename(target);
    if (!ours && replace == Replace::no && path_exists(path)) throw Error(cat(path, " exists, use --force to replace it"));
  } else if (path_exists(path) && replace == Replace::no) {
    throw Error(cat(path, " exists, use --force to replace it"));
  }
  std::string temporary = cat(path, ".", ::getpid(), ".tmp");
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0) throw_errno("create link", path);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    int saved = errno;
    ::unlink(temporary.c_str());
    throw SystemError("create link", path, saved);
  }
}

}  // namespace

void install_engines(const config::Settings& settings, Replace replace) {
  for (const auto& dir : {settings.bindir, settings.libdir, settings.docdir}) make_directories(dir);
  std::string copy = cat(settings.bindir, "/udocker"), self = host::self_path();
  std::string content = load_file(self, 256u << 20);
  if (find_file(copy, 256u << 20) != content) make_file(copy, content, 0755);
  for (const auto& name : engine_names()) make_link("udocker", cat(settings.bindir, "/", name), replace);
}

void purge_engines(const config::Settings& settings) {
  for (const auto& name : engine_names())
    if (auto target = find_link(cat(settings.bindir, "/", name)); target == "udocker") remove_file(cat(settings.bindir, "/", name));
  remove_file(cat(settings.bindir, "/udocker"));
}

void install_links(const std::string& directory, Replace replace) {
  make_directories(directory);
  std::string self = real_path(host::self_path());
  if (real_path(directory) != path_dirname(self) || path_basename(self) != "udocker")
    make_link(self, cat(directory, "/udocker"), replace);
  for (const cli::Program* program : cli::all_programs())
    for (const auto& name : split_words(program->names)) make_link(self, cat(directory, "/", name), replace);
}

}  // namespace udocker::ops
