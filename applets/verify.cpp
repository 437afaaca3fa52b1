// udocker verify: check that an image is whole.
#include "cli/applet.hpp"
#include "ops/session.hpp"
#include "ops/suggest.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <set>

namespace udocker {
namespace {

// Names that belong into an image's directory besides its links.
bool is_known(const std::string& name, const std::vector<std::string>& links) {
  static const std::set<std::string> known = {"TAG", "v1", "v2", "manifest", "ancestry", "container.json", "PROTECT"};
  return known.contains(name) || name.size() >= 64 || std::find(links.begin(), links.end(), name) != links.end();
}

int run(const cli::Arguments& args) {
  auto name = store::ImageName::parse(args.word(0, "image:tag or repository/image:tag"));
  args.at_most(1);
  ops::Session session(args);
  const auto& repository = session.repository();
  auto image = repository.images().find(name);
  if (!image) throw Error(cat("image not found ", printable(name.text()), ops::suggest_image(session, name.text())));
  log::info(cat("verifying: ", name.text()));
  log::info("loading structure");
  try {
    auto links = image->links();
    for (const auto& entry : read_directory(image->directory()))  // a directory is a repository below this one
      if (entry.kind != EntryKind::directory && !is_known(entry.name, links)) log::warning(cat("unknown file in image: ", printable(entry.name)));
    image->config();
    auto layers = image->layers();
    log::info("verifying layers");
    for (const auto& link : links) {  // container.json is a link by another name than its blob's
      std::string blob = path_basename(find_link(cat(image->directory(), "/", link)).value_or(link));
      if (!repository.blobs().verify(blob)) throw IntegrityError(cat("layer verification failed: ", link));
      log::info(cat("layer ok: ", link));
    }
    for (const auto& layer : layers)
      if (!repository.blobs().has(layer)) throw IntegrityError(cat("layer is missing: ", layer));
  } catch (const Error& error) {
    log::error(error.what());
    throw Error("image verification failure");
  }
  log::info("image Ok");
  return 0;
}

}  // namespace

extern const cli::Applet applet_verify{"verify", "verify <repo/image:tag>", "check that an image is whole", {}, run,
                                       "  udocker verify busybox:latest\n"};

}  // namespace udocker
