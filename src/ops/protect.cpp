#include "ops/protect.hpp"

#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker::ops {

void set_protection(Session& session, const std::string& name, Protection protection) {
  bool on = protection == Protection::on;
  if (auto container = session.repository().containers().find(name)) return container->set_protected(on);
  auto image = store::ImageName::find(name);
  const auto& images = session.repository().images();
  if (!image || !images.find(*image))
    throw Error(cat(on ? "protect" : "unprotect", " image failed: no such container or image: ", printable(name), suggest_any(session, name)));
  images.set_protected(*image, on);
}

}  // namespace udocker::ops
