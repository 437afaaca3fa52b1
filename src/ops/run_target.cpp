#include "ops/run_target.hpp"

#include "ops/create.hpp"
#include "ops/hello.hpp"
#include "ops/pull.hpp"
#include "ops/session.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker::ops {

namespace {

store::Container make_from_image(Session& session, const RunOptions& options, const store::ImageName& image) {
  return create_container(session, image, options.name);
}

PullOptions pull_options(const RunOptions& options) {
  PullOptions pull;
  pull.index = options.index;
  pull.registry = options.registry;
  pull.http_proxy = options.http_proxy;
  pull.platform = options.platform;
  return pull;
}

}  // namespace

store::Container find_run_target(Session& session, const RunOptions& options) {
  static const char* const kWhen[] = {"", "missing", "never", "always", "reuse"};
  bool known = false;
  for (const char* when : kWhen) known = known || options.pull == when;
  if (!known) throw UsageError(cat("--pull takes missing, never, always or reuse, not ", printable(options.pull)));

  const auto& containers = session.repository().containers();
  bool reuse = options.pull == "reuse" && !options.name.empty();
  if (reuse)
    if (auto found = containers.find(options.name)) return *found;
  if (!reuse && options.pull != "always")
    if (auto found = containers.find(options.target)) {
      if (!options.name.empty() && !containers.has_name(options.name)) containers.set_name(*found, options.name);
      else if (!options.name.empty() && containers.find(options.name)->id() != found->id()) throw Error("invalid container name");
      return *found;
    }
  if (!options.name.empty() && containers.has_name(options.name)) throw Error("invalid container name");
  auto image = store::ImageName::parse(options.target);
  bool local = session.repository().images().find(image).has_value();
  bool carried = !local && image.text() == kHelloImage;
  if (carried || (local && options.pull != "always")) return make_from_image(session, options, image);
  if (options.pull == "never") refuse_run("container id or name not found");
  pull_image(session, options.target, pull_options(options));
  return make_from_image(session, options, image);
}

}  // namespace udocker::ops
