// libFuzzer target: JSON of any shape, image configurations, runtime configurations, layouts of settings files.
#include "config/settings.hpp"
#include "oci/image_config.hpp"
#include "oci/run_config.hpp"
#include "oci/runtime_spec.hpp"
#include "store/images.hpp"
#include "support.hpp"
#include "util/error.hpp"

#include <cmath>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace udocker;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz::attempt([&] {
    json::Value document = json::parse(text, "input");
    std::string line = json::to_line(document);
    fuzz::require(json::to_line(json::parse(line, "again")) == line, "JSON does not read back as it was written");
    fuzz::attempt([&] { static_cast<void>(json::parse(json::to_pretty(document), "pretty")); });
    static_cast<void>(oci::diff_ids(document));
    static_cast<void>(oci::parse_run_config(document));
    static_cast<void>(store::platform_text(document));
  });
  fuzz::attempt([&] {
    oci::Config config = oci::parse_config(text, "config.json");
    static_cast<void>(json::to_line(oci::to_json(config)));
  });
  fuzz::attempt([&] {
    config::Settings settings;
    config::apply_text(settings, text, "udocker.conf");
    static_cast<void>(config::settings_lines(settings));
  });
  return 0;
}
