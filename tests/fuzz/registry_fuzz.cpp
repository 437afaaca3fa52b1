// libFuzzer target: names, manifests, header fields and registries.conf from anybody end in a value or an Error.
#include "net/headers.hpp"
#include "net/url.hpp"
#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/registries_conf.hpp"
#include "support.hpp"
#include "util/error.hpp"

#include <cstdlib>

namespace {

// A name that is accepted is safe as a path and reads back as itself.
void check_reference(std::string_view text) {
  using namespace udocker;
  auto ref = oci::find_image_ref(text);
  if (!ref) return;
  for (const std::string& part : {"/" + ref->repository + "/", "/" + ref->local_tag() + "/"})
    fuzz::require(part.find("/../") == part.npos && part.find("/./") == part.npos && part.find("//") == part.npos && part.find('\0') == part.npos);
  auto again = oci::find_image_ref(ref->text());
  fuzz::require(again && again->repository == ref->repository && again->local_tag() == ref->local_tag());
  fuzz::attempt([&] { static_cast<void>(oci::remote_name(*ref)); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace udocker;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_reference(text);
  fuzz::attempt([&] {
    json::Value document = json::parse(text, "input");
    fuzz::attempt([&] { static_cast<void>(oci::parse_manifest(document, "input")); });
    fuzz::attempt([&] { static_cast<void>(oci::select_entries(oci::parse_index(document, "input"), oci::host_platform())); });
  });
  static_cast<void>(net::parse_challenges(text));
  static_cast<void>(net::parse_retry_after(text, 0));
  static_cast<void>(net::parse_content_range(text));
  static_cast<void>(net::next_link(text));
  static_cast<void>(net::shown_url(text));
  if (auto url = net::resolve_url("https://registry.example/v2/", text)) fuzz::require(url->scheme == "http" || url->scheme == "https");
  fuzz::attempt([&] { registry::Registries().add(text, "input"); });
  fuzz::attempt([&] { static_cast<void>(oci::parse_platform(text)); });
  return 0;
}
