// libFuzzer target: arbitrary bytes as an image archive (docker save of all ages, OCI layouts), loaded into a store;
// what is loaded is whole, can be made into a container and removed, and nothing is touched outside the store.
#include "ops/create.hpp"
#include "ops/load.hpp"
#include "support.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

namespace {

using namespace udocker;

void check_images(ops::Session& session, const std::vector<store::ImageName>& names) {
  const auto& images = session.repository().images();
  for (const auto& name : names) {
    auto image = images.find(name);
    fuzz::require(image.has_value(), "a loaded image is not there");
    for (const auto& blob : image->links()) fuzz::require(session.repository().blobs().verify(blob), "a loaded blob is damaged");
    try {
      auto container = ops::create_container(session, name, "c");
      session.repository().containers().remove(container);
    } catch (const Error&) {
    }
  }
  for (const auto& name : names)
    if (images.find(name)) images.remove(name, store::Force::no);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static TempDir place(fuzz::place_for_files(), "fuzz");
  static const std::string archive = place.path() + "/archive.tar", home = place.path() + "/home";
  static const bool prepared = [] {
    ::setenv("HOME", home.c_str(), 1);
    ::setenv("UDOCKER_DIR", (home + "/store").c_str(), 1);
    ::setenv("UDOCKER_MAX_UNPACKED_SIZE", "1000000", 1);
    ::setenv("UDOCKER_LOGLEVEL", "0", 1);
    make_directories(home);
    make_file(place.path() + "/canary", "alive");
    return true;
  }();
  (void)prepared;
  std::string text(reinterpret_cast<const char*>(data), size);
  fuzz::repair_checksums(text);
  make_file(archive, text);
  cli::Arguments none;
  ops::Session session(none);
  try {
    ops::LoadRequest request;
    request.file = archive;
    request.platform = "linux/amd64";
    check_images(session, ops::load_images(session, request));
  } catch (const Error&) {
  }
  session.repository().images().prune();
  bool clean = session.repository().blobs().list().empty() && session.repository().containers().list().empty();
  fuzz::require(clean, "something is left in the store");
  fuzz::require(list_directory(place.path()).size() == 3 && load_file(place.path() + "/canary") == "alive", "something was touched outside the store");
  return 0;
}
