// libFuzzer target: JSON and YAML of any shape, image configurations, runtime configurations, layouts of settings files.
#include "config/settings.hpp"
#include "oci/image_config.hpp"
#include "oci/run_config.hpp"
#include "oci/runtime_spec.hpp"
#include "store/images.hpp"
#include "support.hpp"
#include "util/error.hpp"
#include "util/yaml.hpp"

namespace {

// What YAML makes of a JSON document: all scalars are texts.
udocker::json::Value with_texts(const udocker::json::Value& value) {
  using namespace udocker;
  if (value.is_array()) {
    json::Array out;
    for (const auto& item : value.as_array()) out.push_back(with_texts(item));
    return out;
  }
  if (value.is_object()) {
    json::Object out;
    for (const auto& [key, item] : value.as_object()) out[key] = with_texts(item);
    return out;
  }
  return value.is_null() || value.is_string() ? value : json::Value(json::to_compact(value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace udocker;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz::attempt([&] {
    json::Value document = json::parse(text, "input");
    // Bytes that are no UTF-8 become characters, and their keys may change places.
    json::Value again = json::parse(json::to_line(document), "again");
    fuzz::require(json::parse(json::to_pretty(again), "pretty") == again, "JSON does not read back as it was written");
    try {
      fuzz::require(yaml::parse(json::to_pretty(again), "pretty") == with_texts(again), "YAML reads JSON differently");
    } catch (const Error& error) {
      fuzz::fail(error.what());
    }
    static_cast<void>(oci::diff_ids(document));
    static_cast<void>(oci::parse_run_config(document));
    static_cast<void>(store::platform_text(document));
  });
  fuzz::attempt([&] { static_cast<void>(yaml::parse(text, "input")); });
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
