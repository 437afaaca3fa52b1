#include "ops/run_target.hpp"

#include "ops/create.hpp"
#include "ops/hello.hpp"
#include "ops/pull.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "store/lock.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/periodic.hpp"
#include "util/strings.hpp"


namespace udocker::ops {

namespace {

PullOptions pull_options(const RunOptions& options) {
  PullOptions pull;
  pull.index = options.index;
  pull.registry = options.registry;
  pull.http_proxy = options.http_proxy;
  pull.platform = options.platform;
  return pull;
}

// Held by the one task of many that fetches or unpacks what all start from; the others wait for as long as it lives.
class TaskLock {
 public:
  TaskLock(const store::Repository& repository, const std::string& what)
      : lock_(store::Lock::take(cat(repository.directories().containers, "/.lock.run-", sha256_hex(what).substr(0, 16)), std::chrono::hours(24))),
        keeper_(std::chrono::seconds(60), [this] { lock_.refresh(); }) {}

 private:
  store::Lock lock_;
  Periodic keeper_;  // other hosts see by the lock's age that we are alive
};

// The name of the container that --pull=reuse keeps for an image: docker.io/library/a:1 -> docker_io_library_a_1
std::string name_for(const std::string& image) {
  std::string name = image;
  for (char& c : name)
    if (c == '/' || c == ':' || c == '@' || c == '.') c = '_';
  return store::Containers::is_valid_name(name) ? name : cat("image_", sha256_hex(image).substr(0, 16));
}

// The image is there when this returns; of many that ask at once one fetches it. True for the image we carry ourselves.
bool provide_image(Session& session, const RunOptions& options, const store::ImageName& image) {
  auto is_here = [&] { return options.pull != "always" && session.repository().images().find(image).has_value(); };
  if (is_here()) return false;
  bool local = session.repository().images().find(image).has_value();
  if (!local && image.text() == kHelloImage) return true;
  if (options.pull == "never") refuse_run(cat("container id or name not found", suggest_any(session, options.target)));
  TaskLock lock(session.repository(), "image " + image.text());
  if (is_here()) return false;
  try {
    pull_image(session, options.target, pull_options(options));
  } catch (Error& error) {
    error.add_hint(suggest_any(session, options.target));
    throw;
  }
  return false;
}

store::Container make_target(Session& session, const RunOptions& options, const std::string& name) {
  auto image = store::ImageName::parse(options.target);
  if (provide_image(session, options, image)) return make_hello(session, name);
  return create_container(session, image, name);
}

}  // namespace

store::Container find_run_target(Session& session, const RunOptions& options) {
  static const char* const kWhen[] = {"", "missing", "never", "always", "reuse"};
  bool known = false;
  for (const char* when : kWhen) known = known || options.pull == when;
  if (!known) throw UsageError(cat("--pull takes missing, never, always or reuse, not ", printable(options.pull)));

  const auto& containers = session.repository().containers();
  if (options.pull == "reuse") {
    if (options.name.empty())
      if (auto found = containers.find(options.target)) return *found;
    std::string name = options.name.empty() ? name_for(options.target) : options.name;
    if (auto found = containers.find(name)) return *found;
    TaskLock lock(session.repository(), "container " + name);
    auto made = containers.find(name);  // by the task that had the lock before us
    return made ? *made : make_target(session, options, name);
  }
  if (options.pull != "always")
    if (auto found = containers.find(options.target)) {
      if (!options.name.empty() && !containers.has_name(options.name)) containers.set_name(*found, options.name);
      else if (!options.name.empty() && containers.find(options.name)->id() != found->id()) throw Error("invalid container name");
      return *found;
    }
  if (!options.name.empty() && containers.has_name(options.name)) throw Error("invalid container name");
  return make_target(session, options, options.name);
}

}  // namespace udocker::ops
