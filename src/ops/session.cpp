#include "ops/session.hpp"

#include "ops/settings_of.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker::ops {

store::Directories directories_of(const config::Settings& s) {
  return {s.topdir, s.reposdir, s.layersdir, s.containersdir, s.bindir, s.libdir, s.docdir};
}

Session::Session(const cli::Arguments& args) : args_(args), settings_(settings_of(args)), must_exist_(args.general().has("repo")) {}

store::Repository& Session::repository() {
  if (repository_) return *repository_;
  if (settings_.topdir.empty())
    throw Error("no place for the local repository: neither HOME, UDOCKER_DIR nor --repo is set");
  store::Directories dirs = directories_of(settings_);
  if (must_exist_ || store::Repository::exists(dirs)) {
    repository_ = store::Repository::open(dirs);
    try {
      repository_->containers().collect();
    } catch (const Error& error) {  // such as a store that may only be read
      log::debug("store", error.what());
    }
  } else {
    log::info(cat("creating repo: ", settings_.topdir));
    repository_ = store::Repository::create(dirs);
  }
  return *repository_;
}

void Session::enter(const store::Container& container) {
  std::string file = container.path("container.conf");
  if (!path_exists(file)) return;
  store::Directories places = directories_of(settings_);
  settings_ = settings_of(args_, file);
  // The container is where it is, whatever its file says.
  settings_.topdir = places.top, settings_.bindir = places.bin, settings_.libdir = places.lib;
}

}  // namespace udocker::ops
