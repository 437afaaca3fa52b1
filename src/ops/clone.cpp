#include "ops/clone.hpp"

#include "engine/fmode.hpp"
#include "ops/suggest.hpp"
#include "ops/tree_copy.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker::ops {

void redo_setup(const store::Container& container) {
  auto text = container.execmode();
  auto mode = text ? engine::find_mode(*text) : std::nullopt;
  if (!mode || !engine::fmode_was_moved(container.directory(), *mode)) return;
  store::Lock lock = container.lock();
  auto report = engine::change_fmode(container.directory(), *mode, *mode, {.force = true});
  for (const auto& failure : report.failures) log::warning(failure);
}

store::Container clone_container(Session& session, const std::string& id_or_name, const std::string& name) {
  const auto& containers = session.repository().containers();
  auto source = containers.find(id_or_name);
  if (!source) throw Error(cat("invalid container id ", printable(id_or_name), suggest_container(session, id_or_name)));
  if (!name.empty() && !store::Containers::is_valid_name(name)) throw Error("invalid container name or wrong format");
  if (!name.empty() && containers.has_name(name)) throw Error("container name already exists");
  store::Lock lock = source->lock();
  auto copy = containers.make();
  {
    Progress progress(cat("copying ", id_or_name));
    auto result = copy_container_tree(source->directory(), copy.directory(), progress, [&copy] { copy.refresh(); });
    log::debug("clone", cat(result.files, " files, ", result.bytes, " bytes, ", result.shared, " files shared"));
  }
  store::Container made = copy.commit(name);
  redo_setup(made);
  return made;
}

}  // namespace udocker::ops
