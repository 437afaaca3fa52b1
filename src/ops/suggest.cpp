#include "ops/suggest.hpp"

#include "ops/session.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker::ops {

namespace {

std::string sentence(const std::optional<std::string>& hint) { return hint ? cat(" (did you mean ", printable(*hint), "?)") : ""; }

// The repository decides, then its tags: what all names share says nothing about one.
std::optional<std::string> nearest_image(Session& session, const std::string& typed) {
  auto wanted = store::ImageName::find(typed);
  std::vector<std::string> repositories, tags;
  auto images = session.repository().images().list();
  for (const auto& image : images) repositories.push_back(image.name().repository);
  auto repository = nearest(wanted ? wanted->repository : typed, repositories);
  if (!repository) return std::nullopt;
  for (const auto& image : images)
    if (image.name().repository == *repository) tags.push_back(image.name().tag);
  auto tag = nearest(wanted ? wanted->tag : "latest", tags);
  return cat(*repository, ":", tag ? *tag : tags.front());
}

std::optional<std::string> nearest_container(Session& session, const std::string& typed) {
  std::vector<std::string> names;
  for (auto& [id, name] : session.repository().containers().names()) names.push_back(std::move(name));
  if (auto found = nearest(typed, names)) return found;
  // The beginning of an id, as docker takes it.
  std::optional<std::string> begun;
  if (typed.size() >= 4)
    for (const auto& container : session.repository().containers().list())
      if (container.id().starts_with(typed)) begun = container.id();
  return begun;
}

template <typename Find>
std::string quietly(Find find) {
  try {
    return sentence(find());
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

std::string suggest_image(Session& session, const std::string& typed) {
  return quietly([&] { return nearest_image(session, typed); });
}

std::string suggest_container(Session& session, const std::string& typed) {
  return quietly([&] { return nearest_container(session, typed); });
}

std::string suggest_any(Session& session, const std::string& typed) {
  return quietly([&] {
    auto container = nearest_container(session, typed);
    return container ? container : nearest_image(session, typed);
  });
}

}  // namespace udocker::ops
